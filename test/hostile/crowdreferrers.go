package hostile

import "drayage/internal/imagetest"

// referrerCrowds have very many referrers.
func referrerCrowds() []Crowd {
	return []Crowd{
		{Name: "OCI: n referrers of an image", OCI: true, Listed: true, Make: func(n int) []byte {
			l := newLayout()
			d := l.manifest()
			all := append(one(d), times(n, func(i int) any { return l.referrer(i, d) })...)
			return l.packWith(imagetest.Encode(map[string]any{"schemaVersion": 2, "manifests": all}))
		}},
		ociCrowd("n referrers in a row", func(l *layout, n int) []any {
			d := l.manifest()
			all := one(d)
			for i := range n {
				d = l.referrer(i, d)
				all = append(all, d)
			}
			return all
		}),
	}
}
