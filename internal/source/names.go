package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"drayage/internal/imagenames"
	"drayage/internal/usage"
	"drayage/registry"
)

// Names gathers the names of images from arguments and files, each once, and what cannot be read of them.
type Names struct {
	Parse func(name string) (registry.Reference, error)
	Find  imagenames.Finder // for files that are no lists; Valid need not be set
	Refs  []registry.Reference

	// Placed is given every name that a file has, also one that came before, with what it means. Or it is nil.
	Placed func(imagenames.Name, registry.Reference)

	bad  []error // the first of those that cannot be read
	more int     // how many there are besides
	seen map[registry.Reference]bool
}

// Add takes a name. where is the place of it in a list, which stands before an error about it, or is empty.
func (n *Names) Add(where, name string) { n.add(where, name) }

func (n *Names) add(where, name string) (ref registry.Reference, good bool) {
	ref, err := n.Parse(name)
	switch {
	case err == nil && !n.seen[ref]:
		if n.seen == nil {
			n.seen = map[registry.Reference]bool{}
		}
		n.seen[ref] = true
		n.Refs = append(n.Refs, ref)
	case err == nil:
	case where != "":
		n.wrong(usage.Errorf("%s: %v", where, err))
	case errors.Is(err, fs.ErrNotExist):
		n.wrong(err)
	default:
		n.wrong(usage.Errorf("%v", err))
	}
	return ref, err == nil
}

func (n *Names) wrong(err error) {
	if len(n.bad) == maxListed {
		n.more++
		return
	}
	n.bad = append(n.bad, err)
}

// ErrNoName is the error about a file that names no image, and is as it should be otherwise.
var ErrNoName = usage.Errorf("it names no image")

// Read takes all names of a file that is called so: a list, or a file in which imagenames finds some. A file
// without any is an error, and what is neither.
func (n *Names) Read(ctx context.Context, r io.Reader, called string) error {
	in := bufio.NewReaderSize(r, imagenames.HeadSize)
	head, _ := in.Peek(imagenames.HeadSize)
	read := n.readList
	if imagenames.Recognise(head, called, n.Find.Any) && !n.isList(ctx, head) {
		read = n.find
	}
	names, err := read(ctx, in, called)
	if err == nil && !names {
		err = ErrNoName
	}
	if err != nil {
		return fmt.Errorf("%s: %w", called, err)
	}
	return nil
}

// isList reports whether all whole lines in the head of a file are names. Then it is a list, whatever else it
// may look like.
func (n *Names) isList(ctx context.Context, head []byte) bool {
	if len(head) == imagenames.HeadSize {
		head = head[:bytes.LastIndexByte(head, '\n')+1]
	}
	good := true
	err := ReadList(ctx, bytes.NewReader(head), func(_ int, name string) {
		if good {
			_, err := n.Parse(name)
			good = err == nil
		}
	})
	return err == nil && good
}

func (n *Names) readList(ctx context.Context, r io.Reader, called string) (some bool, err error) {
	bad, more := len(n.bad), n.more
	var first imagenames.Name
	lines, good := 0, false
	err = ReadList(ctx, r, func(line int, text string) {
		name := imagenames.Name{Text: text, File: called, Line: line}
		if lines++; lines == 1 {
			first = name
		}
		good = n.enter(name) || good
	})
	if lines > 1 && !good && strings.Contains(first.Text, " ") {
		// not a hundred errors about a file of another kind
		n.bad, n.more = n.bad[:bad], more
		n.wrong(usage.Errorf("%s:%d: %.60q is no image name, nor is any other line: this is no list, and no "+
			"kind of file that drayage names knows", called, first.Line, first.Text))
	}
	return lines > 0, err
}

// find takes names from what is no list. It counts as some if there is a remark to be shown.
func (n *Names) find(ctx context.Context, r io.Reader, called string) (some bool, err error) {
	n.Find.Valid = func(name string) error {
		_, err := n.Parse(name)
		return err
	}
	remarks := len(n.Find.Remarks)
	err = n.Find.Read(ctx, r, called)
	for _, name := range n.Find.Names {
		n.enter(name)
	}
	some = len(n.Find.Names) > 0 || len(n.Find.Remarks) > remarks
	n.Find.Names = nil
	return some, err
}

func (n *Names) enter(name imagenames.Name) (good bool) {
	ref, good := n.add(fmt.Sprintf("%s:%d", name.File, name.Line), name.Text)
	if good && n.Placed != nil {
		n.Placed(name, ref)
	}
	return good
}

// Bad returns the first errors about names that cannot be read, and how many there are besides.
func (n *Names) Bad() (errs []error, more int) { return n.bad, n.more }
