package imagenames

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// readJSON reads documents of JSON. The items of a list of Kubernetes objects are looked at one by one, so
// that a list of any length takes little memory. What is no JSON may still be YAML in braces.
func (f *Finder) readJSON(ctx context.Context, r io.Reader, file string) error {
	var seen bytes.Buffer
	first := &io.LimitedReader{R: r, N: limits.NamesDocument}
	in := io.MultiReader(io.TeeReader(first, &seen), r)
	names, remarks := len(f.Names), len(f.Remarks)
	j := newJSONReader(in)
	err := j.documents(func(doc *yaml.Node, p part) error {
		if first.N <= 0 {
			seen = bytes.Buffer{} // nobody goes back any more
		}
		f.document(doc, file, p)
		return ctx.Err()
	})
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if first.N > 0 {
		f.Names, f.Remarks = f.Names[:names], f.Remarks[:remarks]
		return f.readYAML(ctx, io.MultiReader(&seen, r), file)
	}
	f.missing(file, j.lines.at(j.in.InputOffset()), "this is no JSON: %v", err)
	return nil
}

// jsonReader makes nodes of JSON.
type jsonReader struct {
	in    *json.Decoder
	lines *lineCounter
	left  int  // nodes that the document may still have
	part  part // what is left of the document at its end
}

func newJSONReader(r io.Reader) *jsonReader {
	lines := &lineCounter{r: r, line: 1}
	return &jsonReader{in: json.NewDecoder(bufio.NewReaderSize(lines, 4<<10)), lines: lines}
}

// documents gives each document to take. Of a list of objects it gives each item, and the rest last.
func (j *jsonReader) documents(take func(*yaml.Node, part) error) error {
	for {
		j.left = limits.NamesValues
		t, err := j.in.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		j.part = all
		n, err := j.value(t, 0, take)
		if err == nil {
			err = take(n, j.part)
		}
		if err != nil {
			return err
		}
	}
}

var errJSONSize = usage.Errorf("it has too many values, or too many in each other")

// value makes a node of what begins with a token. At depth 0 items of a list go to take.
func (j *jsonReader) value(t json.Token, depth int, take func(*yaml.Node, part) error) (*yaml.Node, error) {
	if j.left--; j.left < 0 || depth > limits.NamesDepth {
		return nil, errJSONSize
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Line: j.lines.at(j.in.InputOffset())}
	switch v := t.(type) {
	case json.Delim:
		return n, j.fill(n, v, depth, take)
	case string:
		n.Value, n.Style = v, yaml.DoubleQuotedStyle
	case nil:
		n.Tag = "!!null"
	case float64:
		n.Tag = "!!float"
	}
	return n, nil
}

// fill reads a list or an object to its end.
func (j *jsonReader) fill(n *yaml.Node, open json.Delim, depth int, take func(*yaml.Node, part) error) error {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	each := depth == 0 && open == '['
	for j.in.More() {
		t, err := j.in.Token()
		if err != nil {
			return err
		}
		c, err := j.value(t, depth+1, take)
		if err != nil {
			return err
		}
		if each && isMapping(c) { // a list of objects, as jq .items gives it
			if err := j.give(c, take); err != nil {
				return err
			}
			continue
		}
		n.Content = append(n.Content, c)
		if t == "items" && depth == 0 && len(n.Content)%2 == 1 {
			if err := j.items(n, take); err != nil {
				return err
			}
		}
	}
	_, err := j.in.Token()
	return err
}

// items reads the value of "items". If it is a list, its objects go to take, and the rest stays.
func (j *jsonReader) items(n *yaml.Node, take func(*yaml.Node, part) error) error {
	t, err := j.in.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		c, err := j.value(t, 1, take)
		n.Content = append(n.Content, c)
		return err
	}
	others := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	n.Content, j.part = append(n.Content, others), rest
	for j.in.More() {
		t, err := j.in.Token()
		if err != nil {
			return err
		}
		c, err := j.value(t, 2, take)
		if err == nil && isMapping(c) {
			err = j.give(c, take)
		} else if err == nil {
			others.Content = append(others.Content, c)
		}
		if err != nil {
			return err
		}
	}
	_, err = j.in.Token()
	return err
}

// give hands an object over and forgets it.
func (j *jsonReader) give(n *yaml.Node, take func(*yaml.Node, part) error) error {
	j.left = limits.NamesValues
	return take(n, item)
}

// lineCounter knows on which lines the offsets of what it has read are. Offsets have to be asked for in
// order.
type lineCounter struct {
	r     io.Reader
	read  int64
	ends  []int64 // of lines that have been read and not asked for
	line  int
	asked int
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.asked > 1<<12 {
		l.ends, l.asked = append([]int64(nil), l.ends[l.asked:]...), 0
	}
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.read+int64(i)+1)
		}
	}
	l.read += int64(n)
	return n, err
}

func (l *lineCounter) at(offset int64) int {
	for l.asked < len(l.ends) && l.ends[l.asked] < offset {
		l.asked, l.line = l.asked+1, l.line+1
	}
	return l.line
}
