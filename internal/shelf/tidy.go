package shelf

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// kept is how long a compressed layer stays that nobody serves. abandoned is how long an unfinished one does:
// another process may be writing it.
const (
	kept      = 30 * 24 * time.Hour
	abandoned = 24 * time.Hour
)

// use notes that a file is needed.
func (p *Packing) use(file string) {
	if p.used == nil {
		p.used = map[string]bool{}
	}
	p.used[file] = true
	now := time.Now()
	_ = os.Chtimes(file, now, now) // what fails here costs compressing again some day
}

// Tidy removes what nobody has used for a long time, and what killed runs have left.
func (p *Packing) Tidy(now time.Time) {
	if p == nil {
		return
	}
	for _, name := range entries(p.Dir) {
		file := filepath.Join(p.Dir, name)
		blob, limit := file, kept
		switch {
		case strings.Contains(name, blobSuffix+tmpSuffix+"."):
			limit = abandoned
		case !strings.HasSuffix(name, blobSuffix):
			continue
		}
		fi, err := os.Lstat(blob)
		if err != nil || !fi.Mode().IsRegular() || p.used[blob] || now.Sub(fi.ModTime()) < limit {
			continue
		}
		_ = os.Remove(file)
		if limit == kept {
			_ = os.Remove(strings.TrimSuffix(file, blobSuffix))
		}
	}
}

// drop forgets a compressed layer that is not what it was.
func (s *Shelves) drop(d digest.Digest) {
	for _, sh := range s.Shelves {
		if m, ok := sh.Content.(*made); ok {
			if file, ok := m.layers[d].Source.(packed); ok {
				_ = os.Remove(string(file)) // who opens the layer next finds it wrong again
			}
		}
	}
}
