package volume

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/verify"
)

// Error says which volumes are not what they should be. It matches [ErrMissing] if one is missing. It matches
// fs.ErrNotExist if that is all that is wrong, and else the error for bytes that are wrong.
type Error struct {
	Health  *Health
	Volumes []int // places of states in Health
	text    string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// Unwrap lets callers match the kind of the error.
func (e *Error) Unwrap() []error {
	missing := e.Health.nowhere
	switch gone := slices.ContainsFunc(e.Volumes, missing); {
	case !gone:
		return []error{verify.ErrMismatch}
	case slices.ContainsFunc(e.Volumes, func(i int) bool { return !missing(i) }):
		return []error{ErrMissing, verify.ErrMismatch}
	}
	return []error{ErrMissing, fs.ErrNotExist}
}

// Numbers are the volumes as save --only takes them. Those of parity, such as p1, are only there if no other
// volume is: they follow from the others.
func (e *Error) Numbers() (all []string) {
	var parity []string
	data := len(e.Health.Set.Volumes)
	for _, i := range e.Volumes {
		if e.Health.Set.IsParity(i) {
			parity = append(parity, fmt.Sprintf("p%d", i-data+1))
		} else {
			all = append(all, fmt.Sprint(i+1))
		}
	}
	if len(all) == 0 {
		return parity
	}
	return all
}

// maxListed is how many volumes a message lists.
const maxListed = 20

// Err is an error about all volumes that are not what they should be, or nil. It says which, and why.
func (h *Health) Err() error { return h.about(h.Faulty()) }

// Unusable is an error about the volumes that images cannot be read from, or nil. Those of parity are not
// needed for that, nor does it matter what stands behind the end of a volume.
func (h *Health) Unusable() error {
	return h.about(slices.DeleteFunc(h.Faulty(), func(i int) bool {
		return h.Set.IsParity(i) || h.States[i].isUsable()
	}))
}

// about is an error about some volumes. Those that are simply not there share a sentence.
func (h *Health) about(volumes []int) error {
	if len(volumes) == 0 {
		return nil
	}
	if h.IsForeign() {
		return &Error{h, volumes, SetName(h.Set.Name) + " does not belong to the volumes beside it: " +
			"bring the set file that was written with them"}
	}
	var lost, sentences []string
	for n, i := range volumes {
		switch {
		case n == maxListed:
			sentences = append(sentences, fmt.Sprintf("and %d more volumes", len(volumes)-n))
		case n > maxListed:
		case h.nowhere(i):
			lost = append(lost, h.Set.Title(i))
		default:
			if text := h.Sentence(i); !slices.Contains(sentences, text) { // two that are swapped have one
				sentences = append(sentences, text)
			}
		}
	}
	if len(lost) > 0 {
		are := " is missing"
		if len(lost) > 1 {
			are = " are missing"
		}
		sentences = slices.Insert(sentences, 0, strings.Join(lost, ", ")+are+h.looked())
	}
	return &Error{h, volumes, strings.Join(sentences, "; ")}
}

// nowhere reports whether no file is volume i, nor has its name.
func (h *Health) nowhere(i int) bool {
	return h.States[i].Condition == Missing && h.States[i].Instead == Nothing
}

// IsForeign reports whether there are files with the names of volumes, and not one is of this set.
func (h *Health) IsForeign() bool {
	strangers := 0
	for _, s := range h.States {
		switch {
		case s.Condition == Missing && s.Instead == Stranger:
			strangers++
		case s.Condition != Missing || s.Instead != Nothing:
			return false
		}
	}
	return strangers > 0 && h.Set.Volume > 0
}

// SetFile is where the set file was, if it has its own name.
func (h *Health) SetFile() string {
	if len(h.dirs) == 0 {
		return SetName(h.Set.Name)
	}
	return filepath.Join(h.dirs[0], SetName(h.Set.Name))
}

// looked says in which folders volumes were looked for.
func (h *Health) looked() string {
	if len(h.dirs) == 0 {
		return ""
	}
	var dirs []string
	for _, d := range h.dirs[:min(len(h.dirs), maxListed)] {
		dirs = append(dirs, quotedPath(d))
	}
	text := " in " + strings.Join(dirs, ", ")
	if h.partly {
		text += ", where there are too many files to look at each: under another name it is not found"
	}
	return text
}

// quotedPath is the path of a folder for a message.
func quotedPath(dir string) string {
	if strings.ContainsFunc(dir, func(r rune) bool { return r < ' ' }) {
		return fmt.Sprintf("%q", dir)
	}
	return dir
}
