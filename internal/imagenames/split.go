package imagenames

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// part says what a piece is of its document.
type part int

const (
	all  part = iota
	item      // of a list of Kubernetes objects
	rest      // what such a list has besides
)

// piece is a part of a file that is parsed by itself.
type piece struct {
	line int // of the file, at which it begins
	text []byte
	part part
}

// splitter divides YAML at the lines with which documents begin and end. It also takes apart a list of
// Kubernetes objects: what kubectl gets from a cluster is one document of any size.
type splitter struct {
	in    *bufio.Reader
	line  int // lines that have been read
	start int // line at which text begins
	text  []byte
	some  bool   // text has more than comments
	api   bool   // this document has an apiVersion
	items bool   // the last line that counts was "items:"
	dash  string // what an item begins with, or empty outside of items
	part  part   // what text is
	helm  bool   // this is what helm install prints: NOTES: ends it
	done  bool
}

func newSplitter(r io.Reader) *splitter { return &splitter{in: bufio.NewReader(r)} }

// next returns the next piece, or io.EOF.
func (s *splitter) next() (piece, error) {
	for !s.done {
		line, err := s.readLine()
		if err == io.EOF {
			s.done = true
			break
		}
		if err != nil {
			return piece{}, err
		}
		if p, ok := s.add(line); ok {
			return p, nil
		}
		if len(s.text) > limits.NamesDocument {
			return piece{}, usage.Errorf("the document from line %d on has more than %d MiB: divide it",
				s.start, limits.NamesDocument>>20)
		}
	}
	if p, ok := s.cut(); ok {
		return p, nil
	}
	return piece{}, io.EOF
}

// readLine returns a line with its end. It is bounded.
func (s *splitter) readLine() (line []byte, err error) {
	for {
		part, err := s.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= limits.NamesDocument:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, usage.Errorf("line %d has more than %d MiB", s.line+1, limits.NamesDocument>>20)
		case err == io.EOF && len(line) > 0, err == nil:
			s.line++
			return line, nil
		}
		return nil, err
	}
}

// add takes a line. If it ends a piece it returns that.
func (s *splitter) add(line []byte) (p piece, ended bool) {
	text := strings.TrimRight(string(line[:min(len(line), 64)]), " \t\r\n")
	switch {
	case isMarker(text, "---"), isMarker(text, "..."):
		p, ended = s.cut()
		s.api, s.items, s.dash, s.part = false, false, "", all
		if text[0] == '-' {
			s.keep(line, len(text) > 3)
		}
		return p, ended
	case text == "MANIFEST:":
		s.helm = true
	case text == "NOTES:" && s.helm:
		s.done = true
		return s.cut()
	case strings.HasPrefix(text, "%") && !s.some: // a directive: the parser knows YAML 1.1 only
		return p, false
	}
	empty := text == "" || strings.TrimLeft(text, " \t")[0] == '#'
	if !empty {
		p, ended = s.divide(line, text)
	}
	s.keep(line, !empty)
	return p, ended
}

// divide ends a piece where an item of a list begins, or behind the last one.
func (s *splitter) divide(line []byte, text string) (p piece, ended bool) {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	isItem := strings.HasPrefix(text[indent:]+" ", "- ")
	switch {
	case s.items && isItem:
		s.dash, s.part = text[:indent+1], rest
	case s.dash != "" && (indent < len(s.dash)-1 || indent == len(s.dash)-1 && !isItem):
		p, ended = s.cut()
		s.dash, s.part = "", rest
		return p, ended
	}
	s.items = s.api && text == "items:"
	s.api = s.api || strings.HasPrefix(text, "apiVersion:")
	if s.dash != "" && isItem && indent == len(s.dash)-1 {
		p, ended = s.cut()
		s.part = item
		line[indent] = ' ' // what is in the item stands further to the right
	}
	return p, ended
}

func isMarker(text, marker string) bool {
	after, found := strings.CutPrefix(text, marker)
	return found && (after == "" || after[0] == ' ' || after[0] == '\t')
}

func (s *splitter) keep(line []byte, some bool) {
	if len(s.text) == 0 {
		s.start = s.line
	}
	s.text = append(s.text, line...)
	s.some = s.some || some
}

// cut returns what has been read as a piece, unless that is comments only.
func (s *splitter) cut() (piece, bool) {
	p, some := piece{s.start, s.text, s.part}, s.some
	s.text, s.some = nil, false
	return p, some
}

// parse returns the roots of the documents in a piece, with the lines of the file. Mostly it is one. With an
// error come those before it.
func parse(p piece) (docs []*yaml.Node, err error) {
	if values(p.text) > limits.NamesValues {
		return nil, usage.Errorf("the document has too many values: divide it, or ask kubectl for -o json")
	}
	loader, err := yaml.NewLoader(bytes.NewReader(p.text),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(limits.NamesDepth))))
	for err == nil {
		doc := new(yaml.Node)
		if err = loader.Load(doc); err == nil && len(doc.Content) > 0 {
			shift(doc, p.line-1)
			docs = append(docs, doc.Content[0])
		}
	}
	if err == io.EOF {
		err = nil
	}
	return docs, err
}

// values is about the number of nodes that a text becomes, and no less. Each takes some 200 bytes.
func values(text []byte) (n int) {
	for i, c := range text {
		switch c {
		case '\n', ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(text) || bytes.IndexByte([]byte(" \t\r\n,"), text[i+1]) >= 0 {
				n++
			}
		}
	}
	return n
}

// shift moves nodes to their lines in the file. It does not follow aliases.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		shift(c, by)
	}
}
