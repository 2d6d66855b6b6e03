//go:build linux

package pairs

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Config is what [Run] is to do.
type Config struct {
	Drayage string // the binary; empty leaves out what is done with it
	Work    string // the directory that keeps the pairs between runs: some 6 GB
	Quick   bool   // leave out the slow programs, and all encoders but the first
	Repo    string // a repository of drayage
	Only    *regexp.Regexp
	Log     io.Writer
}

// column is what was measured of a pair.
type column struct {
	pair
	size    int64 // of the new layer, plain
	costs   []cost
	apply   cost
	crossed []crossed // by encoder
}

// Report is what [Run] has found.
type Report struct {
	columns []column
	date    time.Time
}

// Run makes the pairs and measures them.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := os.MkdirAll(c.Work, 0o755); err != nil {
		return nil, err
	}
	w := &work{ctx: ctx, dir: c.Work, repo: c.Repo}
	r := &Report{date: time.Now().UTC()}
	for _, p := range all {
		if c.Only != nil && !c.Only.MatchString(p.id) {
			continue
		}
		fmt.Fprintf(c.Log, "%s: %s\n", p.id, p.title)
		one, err := w.measure(p, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.id, err)
		}
		r.columns = append(r.columns, one)
	}
	return r, nil
}

// layers makes the layers of a pair.
func (w *work) layers(p pair) (old, new string, err error) {
	old, new = filepath.Join(w.dir, p.id+".old.tar"), filepath.Join(w.dir, p.id+".new.tar")
	from, to, err := p.make(w)
	if err == nil {
		err = from.layer(old)
	}
	if err == nil {
		err = to.layer(new)
	}
	return old, new, err
}

func (w *work) measure(p pair, config Config) (column, error) {
	c, log := column{pair: p}, config.Log
	old, new, err := w.layers(p)
	if err != nil {
		return c, err
	}
	defer os.Remove(old)
	defer os.Remove(new)
	info, err := os.Stat(new)
	if err != nil {
		return c, err
	}
	c.size = info.Size()
	out := filepath.Join(w.dir, p.id+".out")
	defer os.Remove(out)
	for _, m := range methods() {
		os.Remove(out)
		one := cost{failed: "not run"}
		if !m.slow || !config.Quick && !p.alike {
			one = m.run(w.ctx, old, new, out)
		}
		c.costs = append(c.costs, one)
		fmt.Fprintf(log, "  %-32s %12d bytes %8.1f s %6d MiB %s\n", m.title, one.bytes, one.cpu.Seconds(),
			one.memory>>20, one.failed)
	}
	c.apply = measured(w.ctx, "/proc/self/exe", "-own", "apply", old, new, out)
	fmt.Fprintf(log, "  %-32s %27.1f s %6d MiB %s\n", "applied", c.apply.cpu.Seconds(), c.apply.memory>>20,
		c.apply.failed)
	if c.apply.failed != "" {
		return c, fmt.Errorf("the patch: %s", c.apply.failed)
	}
	for i, e := range encoders {
		if config.Drayage == "" || config.Quick && i > 0 {
			break
		}
		one, err := w.through(config.Drayage, old, new, e)
		fmt.Fprintf(log, "  %-32s %12d bytes of %d, save %v, push %v %s %v\n", e.title, one.archive, one.layer,
			one.save, one.push, one.fault(p), err)
		if err != nil {
			return c, err
		}
		c.crossed = append(c.crossed, one)
	}
	return c, w.ctx.Err()
}

// Table is the tables in Markdown: bytes, then processor time and memory.
func (r *Report) Table() string {
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range r.columns {
		fmt.Fprintf(&b, " %s |", c.id)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.columns)) + "\n| plain layer, MB |")
	for _, c := range r.columns {
		fmt.Fprintf(&b, " %.1f |", float64(c.size)/1e6)
	}
	b.WriteString("\n")
	for i, m := range methods() {
		r.row(&b, m.title+", KB", func(c column) (cost, string) {
			return c.costs[i], fmt.Sprintf("%.0f", float64(c.costs[i].bytes)/1e3)
		})
	}
	b.WriteString("\nProcessor time in seconds, and peak memory:\n\n| |")
	for _, c := range r.columns {
		fmt.Fprintf(&b, " %s |", c.id)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.columns)) + "\n")
	for i, m := range methods() {
		if i >= 2 {
			r.row(&b, m.title, func(c column) (cost, string) { return c.costs[i], c.costs[i].String() })
		}
	}
	r.row(&b, "the new layer, made of it", func(c column) (cost, string) { return c.apply, c.apply.String() })
	r.through(&b)
	return b.String()
}

// through writes what drayage's commands took.
func (r *Report) through(b *strings.Builder) {
	if len(r.columns) == 0 || len(r.columns[0].crossed) == 0 {
		return
	}
	b.WriteString("\nThe whole archive of `save --since --patch` in KB, by what had compressed the layers:\n\n" +
		"| |")
	for _, c := range r.columns {
		fmt.Fprintf(b, " %s |", c.id)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.columns)) + "\n")
	for i, e := range encoders[:len(r.columns[0].crossed)] {
		r.row(b, e.title, func(c column) (cost, string) {
			return cost{}, fmt.Sprintf("%.0f", float64(c.crossed[i].archive)/1e3)
		})
	}
	most := func(of func(crossed) cost) func(column) (cost, string) {
		return func(c column) (cost, string) {
			var all cost
			for _, one := range c.crossed {
				all.cpu, all.memory = max(all.cpu, of(one).cpu), max(all.memory, of(one).memory)
			}
			return cost{}, all.String()
		}
	}
	r.row(b, "`save`, at most", most(func(c crossed) cost { return c.save }))
	r.row(b, "`push`, at most", most(func(c crossed) cost { return c.push }))
}

func (r *Report) row(b *strings.Builder, title string, cell func(column) (cost, string)) {
	fmt.Fprintf(b, "| %s |", title)
	for _, c := range r.columns {
		cost, text := cell(c)
		if cost.failed != "" {
			text = "-"
		}
		fmt.Fprintf(b, " %s |", text)
	}
	b.WriteString("\n")
}

// The tables stand on a page between these two lines.
const (
	begins = "<!-- table: made by make crossing-pairs -->\n"
	ends   = "<!-- end of pairs -->\n"
)

// On puts the tables in the place of an earlier run on a page.
func (r *Report) On(page string) (string, error) {
	before, rest, found := strings.Cut(page, begins)
	_, after, whole := strings.Cut(rest, ends)
	if !found || !whole {
		return "", fmt.Errorf("the page has no place for the tables")
	}
	return fmt.Sprintf("%s%s\nMade by `make crossing-pairs` on %s.\n\n%s\n%s%s", before, begins,
		r.date.Format(time.DateOnly), r.Table(), ends, after), nil
}
