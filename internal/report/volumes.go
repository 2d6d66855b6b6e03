package report

import "drayage/internal/volume"

// Volume is one of the files that an archive is cut into.
type Volume struct {
	Number    int              `json:"number"`           // from 1; parity volumes are counted for themselves
	Parity    bool             `json:"parity,omitempty"` // it is a parity volume
	Name      string           `json:"name"`             // what the file should be called
	SizeBytes int64            `json:"sizeBytes"`        // that it should have
	State     volume.Condition `json:"state"`
	Path      string           `json:"path,omitempty"`      // where it is
	FileBytes int64            `json:"fileBytes,omitempty"` // the size of that file
	BadBlocks []BadBlocks      `json:"badBlocks,omitempty"`
	Text      string           `json:"text,omitempty"` // what is wrong with it, or with its name
}

// Mended is what was done about a volume, or would be.
type Mended struct {
	Name          string `json:"name"` // of the volume
	Path          string `json:"path"` // where it is now
	RenamedFrom   string `json:"renamedFrom,omitempty"`
	RebuiltBlocks int    `json:"rebuiltBlockCount,omitempty"`
	New           bool   `json:"new,omitempty"`        // the file was not there before
	CutBytes      int64  `json:"cutBytes,omitempty"`   // that were behind its end
	Aside         string `json:"movedAside,omitempty"` // where that is now which had the name
}

// BadBlocks are some blocks one behind another that are not what they should be. Blocks and bytes are counted
// from 0, and the last ones belong to them.
type BadBlocks struct {
	First     int   `json:"first"`
	Last      int   `json:"last"`
	FirstByte int64 `json:"firstByte"` // in the volume
	LastByte  int64 `json:"lastByte"`
}

// Volumes are those of a set.
func Volumes(h *volume.Health) []Volume {
	all := make([]Volume, 0, len(h.States))
	for i, s := range h.States {
		v := Volume{Number: i + 1, Name: h.Set.FileName(i), SizeBytes: h.Set.At(i).Size, State: s.Condition,
			Path: s.File, FileBytes: s.Size, Text: h.Sentence(i)}
		if v.Parity = h.Set.IsParity(i); v.Parity {
			v.Number -= len(h.Set.Volumes)
		}
		for _, r := range s.Bad {
			first, _, _ := h.Set.BlockAt(i, r.From)
			last, size, _ := h.Set.BlockAt(i, r.To-1)
			v.BadBlocks = append(v.BadBlocks, BadBlocks{First: r.From, Last: r.To - 1, FirstByte: first,
				LastByte: last + size - 1})
		}
		all = append(all, v)
	}
	return all
}
