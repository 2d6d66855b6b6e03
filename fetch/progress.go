package fetch

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// begin tells what is about to be brought, and what of it is there.
func (o Options) begin(images []*Result, blobs []v1.Descriptor, dst *layout.Dir) {
	if o.Resolved != nil {
		for _, r := range images {
			o.Resolved(r.Image)
		}
	}
	if o.Planned != nil {
		o.Planned(blobs)
	}
	if o.Progress == nil {
		return
	}
	for _, d := range blobs {
		if n := dst.Held(d); n > 0 {
			o.Progress(d, n)
		}
	}
}

func (o Options) report(d v1.Descriptor) func(int64) {
	if o.Progress == nil {
		return nil
	}
	return func(held int64) { o.Progress(d, held) }
}
