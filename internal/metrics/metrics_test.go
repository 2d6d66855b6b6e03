package metrics_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"drayage/internal/metrics"
)

// text is what a set tells. It fails the test unless each line is as the format has it.
func text(t *testing.T, s *metrics.Set) string {
	t.Helper()
	var b strings.Builder
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	parse(t, b.String())
	return b.String()
}

var (
	comment = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sample  = regexp.MustCompile(`^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)$`)
)

// parse reads the text strictly: HELP and TYPE once before the samples of each metric, no series twice,
// numbers that are numbers, and buckets that never fall and end with the count.
func parse(t *testing.T, body string) map[string]float64 {
	t.Helper()
	series, types, name := map[string]float64{}, map[string]string{}, ""
	last := 0.0
	if !strings.HasSuffix(body, "\n") {
		t.Errorf("the last line does not end: %q", body)
	}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if m := comment.FindStringSubmatch(line); m != nil {
			if m[1] == "HELP" {
				name, last = m[2], 0
			} else if types[name] != "" || m[2] != name {
				t.Errorf("%q: not expected here", line)
			} else {
				types[name] = m[3]
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("%q: no sample", line)
			continue
		}
		base := m[1]
		if types[name] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if _, twice := series[m[1]+"{"+m[2]+"}"]; base != name || types[name] == "" || err != nil || twice {
			t.Errorf("%q: of %s, %v, twice %t", line, name, err, twice)
		}
		if strings.HasSuffix(m[1], "_bucket") {
			if v < last {
				t.Errorf("%q: fewer than %g", line, last)
			}
			last = v
			if strings.Contains(m[2], `le="+Inf"`) {
				last = 0
			}
		}
		series[m[1]+"{"+m[2]+"}"] = v
	}
	return series
}

func TestText(t *testing.T) {
	s := &metrics.Set{}
	c := s.Counter("asked_total", "Requests,\nby what.", "what", "status")
	c.Add(1, "blob", "200")
	c.Add(2, "blob", "200")
	c.Add(1, "a\"b\\c\nd\xff", "404")
	s.Counter("faults_total", "Faults.").Add(0)
	h := s.Histogram("seconds", "Time.", []float64{0.1, 1}, "what")
	for _, v := range []float64{0.1, 0.2, 5} {
		h.Observe(v, "blob")
	}
	s.Gauge("images", "Images.", func() []metrics.Sample { return metrics.Value(1e9) })
	s.Gauge("unknown", "Left out.", func() []metrics.Sample { return nil })
	const want = `# HELP asked_total Requests,\nby what.
# TYPE asked_total counter
asked_total{what="a\"b\\c\nd�",status="404"} 1
asked_total{what="blob",status="200"} 3
# HELP faults_total Faults.
# TYPE faults_total counter
faults_total 0
# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{what="blob",le="0.1"} 1
seconds_bucket{what="blob",le="1"} 2
seconds_bucket{what="blob",le="+Inf"} 3
seconds_sum{what="blob"} 5.3
seconds_count{what="blob"} 3
# HELP images Images.
# TYPE images gauge
images 1e+09
`
	if got := text(t, s); got != want {
		t.Errorf("%s", got)
	}
}

func TestProcess(t *testing.T) {
	s := &metrics.Set{}
	s.Process(time.Now())
	got := parse(t, text(t, s))
	if got["go_goroutines{}"] < 1 || got["process_start_time_seconds{}"] < 1e9 {
		t.Errorf("%v", got)
	}
	if v, ok := got["process_resident_memory_bytes{}"]; ok && (v < 1<<20 || math.IsNaN(v)) {
		t.Errorf("%g bytes", v)
	}
}

// Labels that clients choose cannot fill the memory.
func TestSeriesAreBounded(t *testing.T) {
	s := &metrics.Set{}
	c, h := s.Counter("a_total", "A.", "l"), s.Histogram("b", "B.", []float64{1}, "l")
	for i := range 5000 {
		c.Add(1, strconv.Itoa(i))
		h.Observe(1, strconv.Itoa(i))
	}
	if n := len(parse(t, text(t, s))); n > 1000+4*1000 {
		t.Errorf("%d series", n)
	}
}
