package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"drayage/internal/usage"
	"drayage/registry"
)

// Names gathers the names of images from arguments and lists, each once, and what cannot be read of them.
type Names struct {
	Parse func(name string) (registry.Reference, error)
	Refs  []registry.Reference

	bad  []error // the first of those that cannot be read
	more int     // how many there are besides
	seen map[registry.Reference]bool
}

// Add takes a name. where is the place of it in a list, which stands before an error about it, or is empty.
func (n *Names) Add(where, name string) {
	ref, err := n.Parse(name)
	switch {
	case err == nil && !n.seen[ref]:
		if n.seen == nil {
			n.seen = map[registry.Reference]bool{}
		}
		n.seen[ref] = true
		n.Refs = append(n.Refs, ref)
	case err == nil:
	case len(n.bad) == maxListed:
		n.more++
	case where != "":
		n.bad = append(n.bad, usage.Errorf("%s: %v", where, err))
	case errors.Is(err, fs.ErrNotExist):
		n.bad = append(n.bad, err)
	default:
		n.bad = append(n.bad, usage.Errorf("%v", err))
	}
}

// ReadList takes all names of a list that is called so. A list without any is an error, and what is no list.
func (n *Names) ReadList(r io.Reader, called string) error {
	names := 0
	err := ReadList(r, func(line int, name string) {
		names++
		n.Add(fmt.Sprintf("%s:%d", called, line), name)
	})
	if err == nil && names == 0 {
		err = usage.Errorf("it names no image")
	}
	if err != nil {
		return fmt.Errorf("--from %s: %w", called, err)
	}
	return nil
}

// Bad returns the first errors about names that cannot be read, and how many there are besides.
func (n *Names) Bad() (errs []error, more int) { return n.bad, n.more }
