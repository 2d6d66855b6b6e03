// Package hostile makes archives that attack whoever reads them: by names, links, sizes, bombs, ambiguity and
// lies. [Archives] lists them by the number of the case that they belong to; the cases are those of
// docs/reliability.md. All of them are small on disk.
package hostile

import (
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Archive is one attack.
type Archive struct {
	Case  int
	Name  string
	Taken bool // it is odd and no more: to be taken for what it is. Anything else is to be refused
	Named bool // it is taken, but whoever verifies it reports it
	OCI   bool // it is an archive in OCI's format
	Rival bool // two images contend for the place of one: that with [ID], which stands first, and another

	make func() []byte
	size int64 // what the file is extended to by a hole, if larger
}

// Write makes the archive at path.
func (a Archive) Write(path string) error {
	raw := a.make()
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		return err
	}
	if a.size > int64(len(raw)) {
		return os.Truncate(path, a.size)
	}
	return nil
}

// ID is the image ID of the image that most attacks change.
func ID() digest.Digest { return digest.FromBytes(newImage().config) }

// Archives lists all attacks, in the order of their cases.
func Archives() []Archive {
	all := slices.Concat(names(), links(), kinds(), duplicates(), manifests(), giants(), layers(), bombs(),
		headers(), ends(), packings(), texts(), confusions())
	slices.SortStableFunc(all, func(a, b Archive) int { return a.Case - b.Case })
	return all
}

// refused is an image that an attack has made one to refuse.
func refused(number int, name string, attack func(*image)) Archive {
	return Archive{Case: number, Name: name, make: func() []byte { return changed(attack) }}
}

// rival marks an attack of that kind.
func (a Archive) rival() Archive {
	a.Rival = true
	return a
}

// taken is an image that is only odd.
func taken(number int, name string, change func(*image)) Archive {
	return Archive{Case: number, Name: name, Taken: true, make: func() []byte { return changed(change) }}
}

func changed(attack func(*image)) []byte {
	im := newImage()
	attack(im)
	return im.pack()
}
