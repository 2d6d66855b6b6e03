// Package checksums reads and writes the files that sha256sum makes and checks: a digest and the name of a
// file a line. [Encode] makes them, [Parse] reads them, with the lines that sha256sum --tag writes too.
// [Write] and [Beside] are about the one beside a file.
package checksums

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/durable"
	"drayage/internal/limits"
)

// Suffix is how the name of a file of checksums ends that stands beside a file.
const Suffix = ".sha256"

// Line is a file with its SHA-256.
type Line struct {
	Name   string // as it stands in the file: a path from where the file of checksums is
	SHA256 digest.Digest
}

// escaper writes names as sha256sum does. A line with an escaped name begins with a backslash.
var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// Encode returns what sha256sum prints for files.
func Encode(lines []Line) []byte {
	var b strings.Builder
	for _, l := range lines {
		name := escaper.Replace(l.Name)
		if name != l.Name {
			b.WriteByte('\\')
		}
		b.WriteString(l.SHA256.Encoded() + "  " + name + "\n")
	}
	return []byte(b.String())
}

// Parse reads the checksums in a file. As sha256sum does, it passes over lines that are none, unless there is
// no other.
func Parse(raw []byte) ([]Line, error) {
	if len(raw) > limits.Checksums {
		return nil, fmt.Errorf("it has more than the %d bytes that are accepted", limits.Checksums)
	}
	var all []Line
	for text := range strings.Lines(strings.TrimPrefix(string(raw), "\ufeff")) {
		if l, ok := parseLine(strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")); ok {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no line in it is a SHA-256 and the name of a file")
	}
	return all, nil
}

func parseLine(text string) (l Line, ok bool) {
	text, escaped := strings.CutPrefix(text, `\`)
	sum, name, ok := tagged(text)
	if !ok {
		sum, name, ok = strings.Cut(text, " ")
		if !ok || name == "" || name[0] != ' ' && name[0] != '*' {
			return l, false
		}
		name = name[1:]
	}
	if escaped {
		if name, ok = unescape(name); !ok {
			return l, false
		}
	}
	decoded, err := hex.DecodeString(sum)
	if err != nil || len(decoded) != digest.SHA256.Size() || name == "" {
		return l, false
	}
	return Line{Name: name, SHA256: digest.NewDigestFromBytes(digest.SHA256, decoded)}, true
}

// tagged takes apart a line of sha256sum --tag, which BSD's sha256 writes too.
func tagged(text string) (sum, name string, ok bool) {
	rest, ok := strings.CutPrefix(text, "SHA256 (")
	if !ok {
		return "", "", false
	}
	at := strings.LastIndex(rest, ") = ")
	if at < 0 {
		return "", "", false
	}
	return rest[at+len(") = "):], rest[:at], true
}

// unescape is the opposite of escaper.
func unescape(name string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '\\' {
			b.WriteByte(name[i])
			continue
		}
		i++
		at := -1
		if i < len(name) {
			at = strings.IndexByte(`\nr`, name[i])
		}
		if at < 0 {
			return "", false
		}
		b.WriteByte("\\\n\r"[at])
	}
	return b.String(), true
}

// Beside reads the file of checksums beside the file at path, called path.sha256. It returns nothing if there
// is none.
func Beside(path string) ([]Line, error) {
	fi, err := os.Stat(path + Suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s%s is no regular file", path, Suffix)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path + Suffix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limits.Checksums+1))
	if err != nil {
		return nil, err
	}
	lines, err := Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", path, Suffix, err)
	}
	return lines, nil
}

// Of is the SHA-256 that lines give for a file, by its name in the same directory. It is empty if there is
// none.
func Of(lines []Line, name string) digest.Digest {
	for _, l := range lines {
		if strings.TrimPrefix(l.Name, "./") == name {
			return l.SHA256
		}
	}
	return ""
}

// Compare compares what files have with what lines say of them. It returns how many it has compared, and the
// name of the first one that differs.
func Compare(lines, have []Line) (n int, differs string) {
	for _, h := range have {
		want := Of(lines, h.Name)
		if want != "" && want != h.SHA256 {
			return n, h.Name
		}
		if want != "" {
			n++
		}
	}
	return n, ""
}

// Write writes the file of checksums beside the file at path. It appears whole.
func Write(path string, lines []Line) error {
	return durable.ReplaceFile(path+Suffix, Encode(lines))
}

// Remove removes the file of checksums beside the file at path, if there is one: it is about what is going to
// be replaced.
func Remove(path string) error {
	if err := os.Remove(path + Suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
