package metrics

import (
	"maps"
	"slices"
	"strings"
)

// Histogram counts values by how large they are.
type Histogram struct {
	head
	bounds []float64
	series map[string]*counts
}

type counts struct {
	buckets []uint64 // one more than bounds
	sum     float64
}

// Histogram adds a histogram. The upper bounds of its buckets ascend.
func (s *Set) Histogram(name, help string, bounds []float64, labels ...string) *Histogram {
	h := &Histogram{head: head{name: name, help: help, kind: "histogram", labels: labels}, bounds: bounds,
		series: map[string]*counts{}}
	s.add(h)
	return h
}

// Observe counts a value in the series with these values of its labels.
func (h *Histogram) Observe(v float64, values ...string) {
	key := h.key(values)
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.series[key]
	if c == nil {
		if len(h.series) >= maxSeries {
			return
		}
		c = &counts{buckets: make([]uint64, len(h.bounds)+1)}
		h.series[key] = c
	}
	i, _ := slices.BinarySearch(h.bounds, v) // a bound belongs to its bucket
	c.buckets[i]++
	c.sum += v
}

func (h *Histogram) write(b *strings.Builder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writeHead(b)
	for _, key := range slices.Sorted(maps.Keys(h.series)) {
		c, sum := h.series[key], uint64(0)
		comma := ""
		if key != "" {
			comma = ","
		}
		for i, n := range c.buckets {
			sum += n
			le := "+Inf"
			if i < len(h.bounds) {
				le = number(h.bounds[i])
			}
			writeSample(b, h.name+"_bucket", key+comma+`le="`+le+`"`, float64(sum))
		}
		writeSample(b, h.name+"_sum", key, c.sum)
		writeSample(b, h.name+"_count", key, float64(sum))
	}
}
