package inventory

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Parse reads an inventory. The entries may come in any order, and twice if they say the same. Keys that
// Parse does not know are skipped. It holds less memory than the file has bytes, and reads no more than
// limits.Inventory of them. Its errors name the line.
func Parse(r io.Reader) (*Inventory, error) {
	in := bufio.NewReader(r)
	start, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case string(start) == "\xef\xbb\xbf":
		_, _ = in.Discard(len(start)) // they are there
	case len(start) > 1 && (start[0] == 0 || start[1] == 0 || start[0] >= 0xfe):
		return nil, errors.New("it is UTF-16 and not UTF-8, as if > in PowerShell wrote it: " +
			"let drayage inventory write the file with -o")
	}
	g := &guard{r: in}
	p := &parser{Decoder: json.NewDecoder(g)}
	p.UseNumber()
	if err := p.document(); err != nil {
		return nil, p.explain(g, err)
	}
	return p.Inventory()
}

// parser reads the tokens of one inventory.
type parser struct {
	*json.Decoder
	Builder
}

// explain makes an error in a file that somebody may have edited by hand one that leads to the line.
func (p *parser) explain(g *guard, err error) error {
	at := p.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
		if text := strings.TrimPrefix(err.Error(), "invalid character "); strings.HasPrefix(text, "']' looking") {
			err = errors.New("there is a comma before the end of the list")
		}
	}
	switch {
	case g.err != nil && g.err != io.EOF && !errors.Is(err, g.err):
		err = g.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the end is missing")
	}
	return fmt.Errorf("line %d: %w", g.line(at), err)
}

// document reads the whole.
func (p *parser) document() error {
	var mediaType string
	err := p.object(map[string]func() error{
		"mediaType": func() error { return p.text(&mediaType) },
		"blobs":     func() error { return p.list(p.blob) },
		"chains":    func() error { return p.list(p.chain) },
		"images":    func() error { return p.list(p.image) },
	})
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(mediaType, family) && mediaType != MediaType:
		return fmt.Errorf("its mediaType is %q, and this drayage reads %q only", mediaType, MediaType)
	case mediaType != MediaType:
		return fmt.Errorf("it is no inventory: its mediaType is %q and not %q", mediaType, MediaType)
	}
	if _, err := p.Token(); err != io.EOF {
		return errors.Join(err, errors.New("there is more behind its end"))
	}
	return nil
}

func (p *parser) blob() error {
	var b Blob
	var size json.Number
	err := p.object(map[string]func() error{
		"digest": func() error { return p.digest(&b.Digest) },
		"size":   func() error { return p.number(&size) },
		"diffID": func() error { return p.digest(&b.DiffID) },
	})
	if err != nil {
		return err
	}
	if b.Size, err = size.Int64(); err != nil {
		return fmt.Errorf("%q is no size", size)
	}
	return p.AddBlob(b)
}

func (p *parser) chain() error {
	var d digest.Digest
	if err := p.digest(&d); err != nil {
		return err
	}
	return p.AddChain(d)
}

func (p *parser) image() error {
	var im Image
	err := p.object(map[string]func() error{
		"name":   func() error { return p.text(&im.Name) },
		"digest": func() error { return p.digest(&im.Digest) },
	})
	if err != nil {
		return err
	}
	return p.AddImage(im)
}

// object reads an object: the values of its keys by what is in keys, others not at all.
func (p *parser) object(keys map[string]func() error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.More() {
		var key string
		if err := p.text(&key); err != nil {
			return err
		}
		read, known := keys[key]
		if !known {
			read = p.skip
		} else if seen[key] {
			return fmt.Errorf("%q stands twice in one object", key)
		}
		if known {
			seen[key] = true
		}
		if err := read(); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p *parser) list(element func() error) error {
	if err := p.delim('['); err != nil {
		return err
	}
	for p.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return p.delim(']')
}

func (p *parser) delim(want json.Delim) error {
	token, err := p.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%q stands where %q should be", fmt.Sprint(token), want)
	}
	return err
}

func (p *parser) text(s *string) error {
	token, err := p.Token()
	if err != nil {
		return err
	}
	text, ok := token.(string)
	if !ok {
		return fmt.Errorf("%q stands where a string should be", fmt.Sprint(token))
	}
	*s = text
	return nil
}

func (p *parser) digest(d *digest.Digest) error { return p.text((*string)(d)) }

func (p *parser) number(n *json.Number) error {
	token, err := p.Token()
	if err != nil {
		return err
	}
	number, ok := token.(json.Number)
	if !ok {
		return fmt.Errorf("%q stands where a number should be", fmt.Sprint(token))
	}
	*n = number
	return nil
}

// skip reads one value, whatever it is. guard has bounded its depth.
func (p *parser) skip() error {
	for depth := 0; ; {
		token, err := p.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
