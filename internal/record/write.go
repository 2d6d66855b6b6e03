package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/terminal"
)

// MaxSize is how many bytes a record takes at most as JSON. [Write] and [Read] both hold to it.
const MaxSize = 64 << 20

// Write writes a record as JSON, with each file, image, referrer and layer on a line of its own. It fails if
// the record is larger than MaxSize. Characters that do not show, or that change how others show, are
// escaped, and so are those that mean something in HTML.
func Write(w io.Writer, doc *Document) error {
	e := &encoder{w: bufio.NewWriter(w)}
	e.text("{\n\"mediaType\":")
	e.value(doc.MediaType)
	e.text(",\n\"total\":")
	e.value(doc.Total)
	list(e, "files", doc.Files)
	list(e, "images", doc.Images)
	list(e, "referrers", doc.Referrers)
	list(e, "layers", doc.Layers)
	e.text("\n}\n")
	if e.err != nil {
		return e.err
	}
	return e.w.Flush()
}

// encoder writes JSON until something fails.
type encoder struct {
	w       *bufio.Writer
	written int
	err     error
}

func (e *encoder) text(s string) {
	if e.err != nil {
		return
	}
	if e.written += len(s); e.written > MaxSize {
		e.err = kind.Errorf(image.ErrTooMany, "the record would be larger than %d MiB: "+
			"make several archives, each with a record", MaxSize>>20)
		return
	}
	_, e.err = e.w.WriteString(s)
}

func (e *encoder) value(v any) {
	raw, err := json.Marshal(v) // escapes <, > and &
	if err != nil {
		e.err = fmt.Errorf("encode the record: %w", err)
		return
	}
	e.text(terminal.Line(string(raw)))
}

func list[T any](e *encoder, name string, all []T) {
	e.text(",\n\"" + name + "\":[")
	for i := range all {
		if i > 0 {
			e.text(",")
		}
		e.text("\n")
		e.value(all[i])
	}
	e.text("]")
}

// Sums lists files as sha256sum -c takes them.
func Sums(files []File) (lines []string) {
	for _, f := range files {
		name, escaped := escapeSum(f.Name)
		line := f.SHA256 + "  " + name
		if escaped {
			line = `\` + line
		}
		lines = append(lines, line)
	}
	return lines
}

// escapeSum writes a name as sha256sum does. A line with an escaped name begins with a backslash.
func escapeSum(name string) (string, bool) {
	var b []byte
	for i := range len(name) {
		switch c := name[i]; c {
		case '\\':
			b = append(b, `\\`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = append(b, c)
		}
	}
	return string(b), !slices.Equal(b, []byte(name))
}
