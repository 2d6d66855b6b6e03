// Package imagenames finds the names of images in the files that say what is to run: Kubernetes objects,
// Compose files, pipelines of GitLab and workflows of GitHub, Dockerfiles. A [Finder] reads files one after
// the other. What gives no name, though it stands for an image, gives a [Remark].
//
// All input is foreign. It is read in pieces: documents of YAML, and the items of a list of Kubernetes
// objects. Each piece is bounded, and so is the work for aliases in it.
package imagenames

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/usage"
)

// Name is the name of an image as a file has it, with its variables replaced.
type Name struct {
	Text string
	File string
	Line int
	In   string // what needs the image, such as "Deployment web"; or empty
}

// Remark is about something that gave no name, or a doubtful one.
type Remark struct {
	File    string
	Line    int // 0: the whole file
	Text    string
	Missing bool // an image may be missing from the names because of it
}

// String is the remark as it is shown.
func (r Remark) String() string {
	if r.Line == 0 {
		return r.File + ": " + r.Text
	}
	return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Text)
}

// Options say how files are read. Valid is needed; all else may be left out.
type Options struct {
	Valid    func(name string) error          // tells why something is no name of an image
	Env      func(name string) (string, bool) // the environment
	EnvFiles []string                         // of Compose, instead of .env
	Profiles []string                         // of Compose; * is all
	Any      bool                             // take what looks like an image wherever it stands
	Given    []string                         // all files that are read, for those that belong together
}

// Finder gathers the names that files have.
type Finder struct {
	Options
	Names   []Name
	Remarks []Remark

	files int // that other files led to
	envs  map[string]variables
	more  int // remarks that were left out
}

// Read takes the names from a file. Faults in a part of the file are remarks; the error is about the rest.
func (f *Finder) Read(ctx context.Context, r io.Reader, file string) error {
	in := bufio.NewReaderSize(r, headSize)
	head, _ := in.Peek(headSize)
	if isDockerfile(head, file) {
		raw, err := readWhole(in)
		if err == nil {
			f.dockerfile(raw, file)
		}
		return err
	}
	if form := plaintext.UTF8(head); len(form) != len(head) { // a byte order mark, or UTF-16
		raw, err := readWhole(in)
		if err != nil {
			return err
		}
		in = bufio.NewReader(bytes.NewReader(plaintext.UTF8(raw)))
		head, _ = in.Peek(headSize)
	}
	bounded := &bounded{r: in, left: limits.NamesFile}
	if start := bytes.TrimLeft(head, " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return f.readJSON(ctx, bounded, file)
	}
	return f.readYAML(ctx, bounded, file)
}

// readYAML reads a file in pieces. A piece that is no YAML does not keep the others from being read.
func (f *Finder) readYAML(ctx context.Context, r io.Reader, file string) error {
	s := newSplitter(r)
	for {
		p, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		docs, err := parse(p)
		for _, doc := range docs {
			f.document(doc, file, p.part)
		}
		if err != nil {
			f.wrongYAML(file, p, err)
		}
	}
}

// wrongYAML says what is wrong with a piece, and what to do if it is a template.
func (f *Finder) wrongYAML(file string, p piece, err error) {
	line, why := p.line, err.Error()
	var load *yaml.LoadError
	if errors.As(err, &load) {
		line, why = p.line+max(load.Mark.Line, 1)-1, load.Message
	}
	switch {
	case bytes.Contains(p.text, []byte("{{")):
		f.missing(file, line, "%s", templateHint)
	case strings.Contains(why, "cannot start any token") && tabbed(p.text, line-p.line):
		f.missing(file, line, "this is no YAML: the line is indented with a tab, and YAML takes spaces only")
	default:
		f.missing(file, line, "this is no YAML: %s", why)
	}
}

const templateHint = "this is a template that has not been rendered: helm template CHART | drayage names -"

func tabbed(text []byte, line int) bool {
	for range line {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	text = bytes.TrimLeft(text, " ")
	return len(text) > 0 && text[0] == '\t'
}

// maxRemarks are kept; of further ones only the number.
const maxRemarks = 10_000

func (f *Finder) remark(r Remark) {
	if len(f.Remarks) >= maxRemarks {
		f.more++
		return
	}
	f.Remarks = append(f.Remarks, r)
}

// missing says that an image may be missing from the names.
func (f *Finder) missing(file string, line int, format string, a ...any) {
	f.remark(Remark{File: file, Line: line, Text: fmt.Sprintf(format, a...), Missing: true})
}

func (f *Finder) note(file string, line int, format string, a ...any) {
	f.remark(Remark{File: file, Line: line, Text: fmt.Sprintf(format, a...)})
}

// take enters a name, or says why it is none. in is what needs the image.
func (f *Finder) take(file string, line int, in, name string) {
	name = strings.TrimSpace(name)
	switch err := f.wrong(name); {
	case err == nil:
		f.Names = append(f.Names, Name{Text: name, File: file, Line: line, In: in})
	case strings.Contains(name, "{{"):
		f.missing(file, line, "%s", templateHint)
	case in == "":
		f.missing(file, line, "%v", err)
	default:
		f.missing(file, line, "%s: %v", in, err)
	}
}

// wrong tells why something is no name of an image.
func (f *Finder) wrong(name string) error {
	if len(name) > limits.Name {
		return usage.Errorf("%.40q... has %d bytes: this is no image", name, len(name))
	}
	return f.Valid(name)
}

// headSize are the bytes by which a file is recognised.
const headSize = 64 << 10

// readWhole reads a file. No part of it can be left out.
func readWhole(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limits.NamesDocument+1))
	if err == nil && len(raw) > limits.NamesDocument {
		err = usage.Errorf("it has more than %d MiB", limits.NamesDocument>>20)
	}
	return raw, err
}

// bounded ends in an error where a file is too large.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, usage.Errorf("it has more than %d MiB: divide it", limits.NamesFile>>20)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func base(file string) string { return strings.ToLower(filepath.Base(file)) }
