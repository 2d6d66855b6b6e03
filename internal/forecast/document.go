package forecast

import (
	"strings"

	"drayage/internal/report"
)

// Of returns the rows of an image for its JSON result.
func (im Image) Of() []report.Forecast {
	all := []report.Forecast{}
	for _, r := range im.Rows {
		all = append(all, r.document())
	}
	return all
}

func (r Row) document() report.Forecast {
	f := report.Forecast{TotalBytes: r.Total, SharedBytes: r.Shared, PresentBytes: r.There, ToMoveBytes: r.Move,
		LackingBytes: r.LeftOut, UncompressedBytes: r.Plain, UncompressedCount: r.PlainLayers}
	if r.Label != other {
		f.Of = r.Label
	}
	return f
}

// Document returns what is told below the table for the JSON result.
func (s *Summary) Document() *report.Expected {
	e := &report.Expected{Forecast: s.Sum.document(), BlobCount: s.Blobs,
		Seconds: seconds(s.Sum.Move, s.Rate).Seconds()}
	for _, d := range s.Disks {
		disk := report.Disk{Path: d.Path, NeededBytes: d.Needed, Bound: strings.ReplaceAll(d.Bound, " ", "-"),
			VolumeCount: d.Volumes}
		if d.Free >= 0 {
			disk.FreeBytes = &d.Free
		}
		e.Disks = append(e.Disks, disk)
	}
	for _, m := range s.Lacking {
		e.Lacking = append(e.Lacking, m.Blob.Digest)
	}
	return e
}
