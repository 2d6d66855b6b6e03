package inspect

import (
	"context"
	"time"

	"drayage/registry"
)

// Report is what is known of all images of a source.
type Report struct {
	Source     string   `json:"source"`
	Images     []*Image `json:"images"`
	Layers     int      `json:"layers"`     // different ones in all images together
	LayerBytes int64    `json:"layerBytes"` // their size, each counted once
	Quota      *Quota   `json:"pullQuota,omitempty"`
}

// Quota is what a registry says of the pulls that it grants.
type Quota struct {
	Limit         int    `json:"limit"`
	Remaining     int    `json:"remaining"`
	WindowSeconds int    `json:"windowSeconds,omitempty"`
	Source        string `json:"source,omitempty"` // whom the registry counts the pulls for
}

// NewReport sums up images.
func NewReport(source string, images []*Image) *Report {
	r := &Report{Source: source, Images: append([]*Image{}, images...)}
	r.Layers, r.LayerBytes = Total(images)
	return r
}

// ReadQuota asks a registry what is left of the pulls that it grants for an image, by its tag or digest. It
// is nil if the registry does not say.
func ReadQuota(ctx context.Context, repo *registry.Repository, target string) *Quota {
	q := repo.Quota(ctx, target)
	if q == nil {
		return nil
	}
	return &Quota{q.Limit, q.Remaining, int(q.Window / time.Second), q.Source}
}
