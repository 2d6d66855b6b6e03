package stock

import (
	"cmp"
	"slices"
	"sync"
)

// Skip is something that is not counted.
type Skip struct {
	Image string // what it belongs to; may be empty
	Why   string // names the blob, if it is one
}

func (s Skip) String() string {
	if s.Image == "" {
		return s.Why
	}
	return s.Image + ": " + s.Why
}

// maxSkips is how many are kept: a registry may have lost very much.
const maxSkips = 10_000

// Skips gathers what is not counted. It may be used concurrently.
type Skips struct {
	mu   sync.Mutex
	all  []Skip
	more int
}

// Add is for Taker.Skipped.
func (s *Skips) Add(k Skip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == maxSkips {
		s.more++
		return
	}
	s.all = append(s.all, k)
}

// Sorted returns what has been added, and how much there was besides.
func (s *Skips) Sorted() (all []Skip, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = slices.Clone(s.all)
	slices.SortFunc(all, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Why, b.Why))
	})
	return all, s.more
}
