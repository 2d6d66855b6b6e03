// Package metrics counts what a server does, and tells it in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/). The zero [Set] is empty and ready.
package metrics

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContentType is that of what [Set.WriteText] writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// maxSeries bounds the series of one metric. Who adds labels keeps to few values; this is for mistakes.
const maxSeries = 1000

// Set is a set of metrics. It may be used concurrently.
type Set struct {
	mu  sync.Mutex
	all []family
}

// family is one metric with all its series.
type family interface {
	write(b *strings.Builder)
}

func (s *Set) add(f family) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, f)
}

// WriteText writes all metrics in the order in which they were made.
func (s *Set) WriteText(w io.Writer) error {
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	var b strings.Builder
	for _, f := range all {
		f.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// head is what all metrics have.
type head struct {
	name, help, kind string
	labels           []string

	mu sync.Mutex
}

func (h *head) writeHead(b *strings.Builder) {
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(h.help)
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", h.name, help, h.name, h.kind)
}

// key is the labels of a series as they are written. There are as many values as labels.
func (h *head) key(values []string) string {
	if len(values) != len(h.labels) {
		panic(fmt.Sprintf("metrics: %s has %d labels, and got %d values", h.name, len(h.labels), len(values)))
	}
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(h.labels[i] + `="` + escape(v) + `"`)
	}
	return b.String()
}

func escape(v string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(v, "\uFFFD"))
}

// writeSample writes a line. Labels are as key makes them.
func writeSample(b *strings.Builder, name, labels string, value float64) {
	b.WriteString(name)
	if labels != "" {
		b.WriteString("{" + labels + "}")
	}
	b.WriteByte(' ')
	b.WriteString(number(value))
	b.WriteByte('\n')
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Counter is a number for each combination of its labels that only grows.
type Counter struct {
	head
	values map[string]float64
}

// Counter adds a counter. Its name ends in _total.
func (s *Set) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{head{name: name, help: help, kind: "counter", labels: labels}, map[string]float64{}}
	if len(labels) == 0 {
		c.values[""] = 0
	}
	s.add(c)
	return c
}

// Add adds n, which is not negative, to the series with these values of its labels.
func (c *Counter) Add(n float64, values ...string) {
	key := c.key(values)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.values[key]; ok || len(c.values) < maxSeries {
		c.values[key] += n
	}
}

func (c *Counter) write(b *strings.Builder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeHead(b)
	for _, key := range slices.Sorted(maps.Keys(c.values)) {
		writeSample(b, c.name, key, c.values[key])
	}
}

// Sample is a value with the values of its labels.
type Sample struct {
	Labels []string
	Value  float64
}

// measured is a metric whose value is asked for when it is told.
type measured struct {
	head
	ask func() []Sample
}

// Gauge adds a metric that is asked for when it is told. It is left out while ask returns nothing.
func (s *Set) Gauge(name, help string, ask func() []Sample, labels ...string) {
	s.add(&measured{head{name: name, help: help, kind: "gauge", labels: labels}, ask})
}

// Total is a Gauge of something that only grows.
func (s *Set) Total(name, help string, ask func() []Sample, labels ...string) {
	s.add(&measured{head{name: name, help: help, kind: "counter", labels: labels}, ask})
}

// Value is a sample without labels.
func Value(v float64) []Sample { return []Sample{{Value: v}} }

func (m *measured) write(b *strings.Builder) {
	samples := m.ask()
	if len(samples) == 0 {
		return
	}
	m.writeHead(b)
	for _, s := range samples {
		writeSample(b, m.name, m.key(s.Labels), s.Value)
	}
}
