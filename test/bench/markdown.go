//go:build linux

package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteTo writes the report in Markdown. It names neither the machine nor its paths.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	r.head(&b)
	r.summary(&b)
	for _, result := range r.Results {
		r.table(&b, result)
	}
	opening := "" // a run of some scenarios has none
	if text, _, err := openingOf(b.String()); err == nil {
		opening = text + "\n"
	}
	n, err := io.WriteString(w, "# Benchmarks\n\n"+opening+b.String())
	return int64(n), err
}

func (r *Report) head(b *strings.Builder) {
	fmt.Fprintf(b, "## How it was measured\n\nMade by `make bench` on %s:\n%s.\n",
		r.Date.Format(time.DateOnly), r.Machine)
	if r.Config.Scale != 100 {
		fmt.Fprintf(b, "Images have %d%% of their real size: these figures are of no use to anyone.\n",
			r.Config.Scale)
	}
	fmt.Fprintf(b, `
Tools take turns (A B A B). A time is the median of %d runs, and memory is the highest of them. Two kinds of
work run once: what measures memory, and a tool that takes more than ten seconds. One run before all others
does not count. It checks the results.

Before each run everything is synced. Then 2 GiB of memory are touched, because a virtual machine waits for
its host at pages that were free for long. Each tool has empty caches of its own. The registry is
distribution 3, in a process of its own on the same cores, with its storage on disk.

Wall time ends when the output is on disk. drayage syncs what it writes. What other tools leave unsynced is
synced for them, and "of it sync" is how long that took. The "x" columns are multiples of drayage's figure:
above 1 drayage is better. A "limit" is the bare work without a tool. "GETs of a blob" counts the
requests for one blob, where they were most.

| tool | version | how to get it |
|---|---|---|
`, r.Config.Runs)
	for _, t := range r.tools {
		version := t.version
		if t.path == "" {
			version = "not here"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", t.name, version, code(t.get))
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func (r *Report) summary(b *strings.Builder) {
	b.WriteString("\n## Targets\n\n| work | target | measured | |\n|---|---|---|---|\n")
	for _, result := range r.Results {
		for _, t := range result.targets {
			v := t.judge(r, result)
			word := "MISSED"
			switch {
			case !v.known:
				word = "unknown"
			case v.met:
				word = "reached"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", result.title, v.text, v.reached, word)
		}
	}
}

func (r *Report) table(b *strings.Builder, result *Result) {
	fmt.Fprintf(b, "\n## %s\n\n`%s`", strings.ToUpper(result.title[:1])+result.title[1:], result.id)
	if result.LeftOut != "" {
		fmt.Fprintf(b, " was left out: %s.\n", result.LeftOut)
		return
	}
	b.WriteString(
		"\n\n| tool | wall | from - to | x | of it sync | CPU | x | peak memory | written | sent | output " +
			"| GETs of a blob |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	own := result.row("drayage")
	for _, row := range result.Rows {
		if !row.measured() {
			fmt.Fprintf(b, "| %s | - | | | | | | | | | %s | |\n", row.tool, row.Failed)
			continue
		}
		least, most := row.spread()
		fmt.Fprintf(b, "| %s | %s | %.2f - %.2f | %s | %s | %s | %s | %d MiB | %s | %s | %s | %s |\n", row.tool,
			seconds(row.wall()), least.Seconds(), most.Seconds(), ratioTo(own, row, (*Row).wall),
			seconds(time.Duration(row.middle(func(u Usage) int64 { return int64(u.Sync) }))),
			seconds(row.cpu()), ratioTo(own, row, (*Row).cpu), row.peak()>>20,
			megabytes(row.middle(func(u Usage) int64 { return u.Written })),
			megabytes(row.middle(func(u Usage) int64 { return u.Received })), megabytes(row.Output), row.gets())
	}
}

func ratioTo(own, row *Row, of func(*Row) time.Duration) string {
	if own == nil || !own.measured() || of(own) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", of(row).Seconds()/of(own).Seconds())
}

func megabytes(n int64) string {
	switch {
	case n == 0:
		return "-"
	case n < 10*megabyte:
		return fmt.Sprintf("%.2f MB", float64(n)/megabyte)
	}
	return fmt.Sprintf("%d MB", n/megabyte)
}
