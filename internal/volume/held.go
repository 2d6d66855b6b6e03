package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/verify"
)

// Held lists the volumes whose names other files have, though they themselves are there. What goes by names,
// such as cat, takes those files.
func (h *Health) Held() (all []int) {
	for i, s := range h.States {
		if s.Condition != Missing && s.Instead != Nothing {
			all = append(all, i)
		}
	}
	return all
}

// Strays lists files that are called like volumes and are none, such as x.tar.000: cat x.tar.0* takes them.
// Of a very large folder it looks at a part.
func (h *Health) Strays() (all []string) {
	if h.Set.Volume == 0 {
		return nil
	}
	own := map[string]bool{}
	for i := range h.States {
		own[h.Set.FileName(i)] = true
		if f := h.States[i].File; f != "" {
			own[filepath.Clean(f)] = true
		}
	}
	for _, dir := range h.dirs {
		names, _, _ := namesIn(dir, func(name string) bool {
			end, ok := strings.CutPrefix(name, h.Set.Name+".")
			return ok && end != "" && '0' <= end[0] && end[0] <= '9' && !own[name]
		})
		for _, name := range names {
			if path := filepath.Join(dir, name); !own[path] {
				all = append(all, path)
			}
		}
	}
	return all
}

// Names is an error about files that have the names of volumes and are none, or nil.
func (h *Health) Names() error {
	if held := h.Held(); len(held) > 0 {
		return h.about(held)
	}
	strays := h.Strays()
	if len(strays) == 0 {
		return nil
	}
	are := "is no volume"
	if len(strays) > 1 {
		are = "are no volumes"
	}
	for i := range strays {
		strays[i] = quotedPath(strays[i])
	}
	if n := len(strays); n > maxListed {
		strays = append(strays[:maxListed], fmt.Sprintf("and %d more", n-maxListed))
	}
	return verify.Mismatchf("%s %s of %s, and cat %[3]s.0* would take it: move it away",
		strings.Join(strays, ", "), are, h.Set.Name)
}

// namesIn lists the names in a folder that somebody wants, in order. It looks at maxNames, and says whether
// these were all.
func namesIn(dir string, wanted func(string) bool) (names []string, all bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, true, err
	}
	defer d.Close()
	for looked := 0; looked < maxNames && len(names) < maxEntries; {
		some, err := d.Readdirnames(1024)
		for _, name := range some {
			if wanted(name) {
				names = append(names, name)
			}
		}
		if looked += len(some); err != nil {
			all = errors.Is(err, io.EOF)
			break
		}
	}
	slices.Sort(names)
	return names, all, nil
}
