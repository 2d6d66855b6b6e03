package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Condition is how a volume is.
type Condition string

// The conditions of volumes.
const (
	Here    Condition = "here"    // found; of its blocks at most the first has been looked at
	Whole   Condition = "whole"   // all blocks are right
	Missing Condition = "missing" // nowhere found
	Damaged Condition = "damaged" // as long as it should be, but not all blocks are right
	Short   Condition = "short"   // copied only in part
	Long    Condition = "long"    // something stands behind the end, which is not used
)

// Instead is what has the name of a volume and is not that volume.
type Instead string

// What may be there instead of a volume.
const (
	Nothing    Instead = ""
	Link       Instead = "link"
	Folder     Instead = "folder"
	Special    Instead = "special"    // such as a named pipe
	Unreadable Instead = "unreadable" // there is a file, but it cannot be opened
	Empty      Instead = "empty"
	Another    Instead = "another"  // volume Other of the set
	Stranger   Instead = "stranger" // of another archive, or an older one
	Worse      Instead = "worse"    // a damaged copy of the volume, which is whole elsewhere
)

// State is what is known of a volume.
type State struct {
	Condition Condition
	File      string      // where it is; empty if it is missing
	Size      int64       // of that file
	Opened    fs.FileInfo // tells the file from others that get its path; nil: it was not opened
	Misnamed  bool        // the file has another name than [Set.FileName]
	Bad       []Range     // blocks that are not right, in order; those that a short file lacks are among them

	Instead Instead // what has its name, in one of the folders
	Holder  string  // the file that is so
	Other   int     // of Another: which volume that is
	Why     error   // of Unreadable, and of a block that cannot be read
}

// Range are blocks of a volume: From and those behind it, but not To.
type Range struct{ From, To int }

// IsBad reports whether a block is known to be wrong or missing.
func (s *State) IsBad(block int) bool {
	return s.Condition == Missing || slices.ContainsFunc(s.Bad, func(r Range) bool {
		return r.From <= block && block < r.To
	})
}

// isUsable reports whether nothing is known to be wrong with the content.
func (s *State) isUsable() bool {
	return s.Condition == Here || s.Condition == Whole || s.Condition == Long && len(s.Bad) == 0
}

// Health is what is known of all volumes of a set.
type Health struct {
	Set    *Set
	States []State // of all volumes, and then of all parity volumes
	dirs   []string
	partly bool // not all files of the folders were looked at
}

// Faulty lists the volumes that are not what they should be, as the places of their states. Volumes under
// wrong names are not among them.
func (h *Health) Faulty() (all []int) {
	for i, s := range h.States {
		if s.Condition != Here && s.Condition != Whole {
			all = append(all, i)
		}
	}
	return all
}

// Lines has a line about each volume, if one of them is missing or damaged, or has another name.
func (h *Health) Lines() (lines []string) {
	said := false
	for i := range h.States {
		lines = append(lines, h.Line(i))
		said = said || h.Sentence(i) != ""
	}
	if !said {
		return nil
	}
	return lines
}

// Line is a line about volume i: whether it is right, what is wrong with it, and where.
func (h *Health) Line(i int) string {
	s, name := &h.States[i], h.Set.FileName(i)
	if s.Misnamed {
		name += fmt.Sprintf(" (called %s)", quoted(filepath.Base(s.File)))
	}
	switch s.Condition {
	case Here:
		return "here " + name
	case Whole:
		if s.Instead != Nothing {
			return "bad " + h.Set.FileName(i) + ": " + h.held(i)
		}
		return "ok " + name
	case Missing:
		if s.Instead == Nothing {
			return "missing " + name
		}
		return "bad " + name + ": " + h.missing(i)
	}
	return "bad " + name + ": " + h.wrong(i)
}

// Sentence says what is wrong with volume i, or with its name. It is empty if nothing is.
func (h *Health) Sentence(i int) string {
	s, title := &h.States[i], h.Set.Title(i)
	switch {
	case s.Condition == Missing && s.Instead == Nothing:
		return title + " is missing"
	case s.Condition == Missing:
		return title + ": " + h.missing(i)
	case s.Condition != Here && s.Condition != Whole:
		return title + ": " + h.wrong(i)
	case s.Instead != Nothing && !h.isSwapped(i):
		return title + ": " + h.held(i)
	case s.Misnamed:
		return h.misnamed(i)
	}
	return ""
}

// Sentences are those about all volumes of which there is one. None comes twice.
func (h *Health) Sentences() (all []string) {
	for i := range h.States {
		if text := h.Sentence(i); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// missing says what the file is that has the name of volume i.
func (h *Health) missing(i int) string {
	s := &h.States[i]
	switch s.Instead {
	case Link:
		return "it is a link, and links are not followed: copy the file itself"
	case Folder:
		return "it is a folder"
	case Special:
		return "it is no regular file"
	case Unreadable:
		return fmt.Sprintf("it cannot be read: %v", s.Why)
	case Empty:
		return "it is empty: copy it again"
	case Another:
		if o := &h.States[s.Other]; !o.Misnamed && o.Condition != Missing {
			return "it is a second copy of " + h.Set.FileName(s.Other)
		}
		return "it is " + h.Set.FileName(s.Other) + " under a wrong name"
	case Stranger:
		return "it is of another archive, or of an older one"
	case Worse:
		return "it is a damaged copy, or another file"
	}
	return ""
}

// wrong says what is wrong with volume i, which is there.
func (h *Health) wrong(i int) string {
	s, want := &h.States[i], h.Set.At(i).Size
	bad, blocks := s.Bad, h.blocks(i)
	text := ""
	switch s.Condition {
	case Short:
		text = fmt.Sprintf("copied short, %d of %d bytes are here", s.Size, want)
		if n := len(bad); n > 0 && bad[n-1].To == h.Set.BlocksOf(i) { // these the file lacks
			blocks = h.listed(i, h.within(i))
		}
	case Long:
		text = fmt.Sprintf("too long, it has %d bytes and not %d", s.Size, want)
	}
	if blocks != "" && text != "" {
		text += "; "
	}
	if text += blocks; s.Why != nil {
		text += fmt.Sprintf(" (%v)", s.Why)
	}
	return text
}

// within are the bad blocks that a short file has.
func (h *Health) within(i int) (all []Range) {
	s := &h.States[i]
	have := int(s.Size / h.Set.Block)
	for _, r := range s.Bad {
		if r.To = min(r.To, have); r.From < r.To {
			all = append(all, r)
		}
	}
	return all
}

// held says what has the name of volume i, which is elsewhere.
func (h *Health) held(i int) string {
	s, text := &h.States[i], h.missing(i)
	switch {
	case h.isSwapped(i):
		return text
	case s.Misnamed:
		return text + "; the good copy is called " + quoted(filepath.Base(s.File))
	}
	return text + ", in " + quotedPath(filepath.Dir(s.Holder)) + "; the good copy is in " +
		quotedPath(filepath.Dir(s.File))
}

// isSwapped reports whether volume i and another one have each other's names.
func (h *Health) isSwapped(i int) bool {
	s := &h.States[i]
	if s.Instead != Another || s.Other == i {
		return false
	}
	o := &h.States[s.Other]
	return s.Misnamed && o.Misnamed && o.Instead == Another && o.Other == i
}

// misnamed says where volume i is, whose file has another name. Two that are swapped have one text.
func (h *Health) misnamed(i int) string {
	here := quoted(filepath.Base(h.States[i].File))
	if o := h.States[i].Other; h.isSwapped(i) {
		first, second := h.Set.FileName(min(i, o)), h.Set.FileName(max(i, o))
		return fmt.Sprintf("%s and %s have each other's names", first, second)
	}
	return fmt.Sprintf("%s is called %s here", h.Set.FileName(i), here)
}

// maxRanges is how many ranges of blocks a message lists.
const maxRanges = 20

func (h *Health) blocks(i int) string { return h.listed(i, h.States[i].Bad) }

// listed lists blocks of a volume for a message, with the bytes that they take in the file.
func (h *Health) listed(i int, ranges []Range) string {
	var all []string
	for n, r := range ranges {
		if n == maxRanges {
			all = append(all, fmt.Sprintf("and %d more places", len(ranges)-n))
			break
		}
		from, _, _ := h.Set.BlockAt(i, r.From)
		last, size, _ := h.Set.BlockAt(i, r.To-1)
		what := fmt.Sprintf("block %d", r.From)
		if r.To > r.From+1 {
			what = fmt.Sprintf("blocks %d to %d", r.From, r.To-1)
		}
		all = append(all, fmt.Sprintf("%s (bytes %d to %d)", what, from, last+size-1))
	}
	return strings.Join(all, ", ")
}

// quoted is a foreign file name for a message.
func quoted(name string) string {
	if CheckName(name) == nil {
		return name
	}
	return strconv.Quote(name)
}

// ErrMissing is matched by errors about volumes that are not there.
var ErrMissing = errors.New("a volume is missing")
