package reliability

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const preface = `## What counts as survived

drayage survives a fault in one of two ways:

- The command ends with the same result as without the fault.
- The command ends with an error that names the cause, and with the right exit code. Nothing wrong or
  incomplete has a final name. What was finished is kept for the next run.

A fault that is not survived stays in the table. "Sent again" counts what the server has sent beyond the size
of the image. What a reset has destroyed on its way counts too.

This page is generated. ` + "`make reliability`" + ` runs the faults against the binary as it is built for
users, and writes the outcomes. The page claims only what was run.

`

const protocols = `drayage speaks only HTTP/1.1, because HTTP/2 would put all transfers on one connection. The
faults of the network are therefore tried twice: over plain HTTP/1.1, and over TLS with a server that offers
HTTP/2 and HTTP/1.1. That server counts which version is chosen: %s. The layer of faults itself is tested
with a client of each version.`

// Render makes docs/reliability.md.
func Render(c Cases, sections []Section) []byte {
	var b strings.Builder
	writeOpening(&b, c, sections)
	b.WriteString(preface)
	writeCounts(&b, c)
	b.WriteString("## The sixty cases\n\nRun on " + c.Date + ".\n\n")
	group := ""
	for _, r := range c.Rows {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n### %s\n\n", group)
			heading(&b, []string{"#", "fault", "what drayage does", "outcome"})
		}
		table(&b, fmt.Sprint(r.Number), r.Title, r.How, outcome(r))
	}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nRun on %s by\n`%s`.\n\n", s.Title, wrap(s.Text), s.Date, s.Source)
		heading(&b, s.Head)
		for _, row := range s.Rows {
			table(&b, row...)
		}
	}
	return []byte(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"))
}

// wrap breaks a paragraph into lines.
func wrap(text string) string { return wrapTo(110, text) }

func wrapTo(columns int, text string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
		case width+1+n > columns:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	return b.String()
}

func heading(b *strings.Builder, cells []string) {
	table(b, cells...)
	b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
}

func writeCounts(b *strings.Builder, c Cases) {
	b.WriteString("## Faults survived of those tried\n\n")
	heading(b, []string{"", "survived", "tried", "skipped"})
	over := map[string]string{"http": "network, plain HTTP/1.1", "https": "network, TLS that offers HTTP/2",
		"": "disk, processes and input"}
	for _, transport := range []string{"http", "https", ""} {
		n := map[string]int{}
		for _, r := range c.Rows {
			for _, f := range r.Faults {
				if f.Over == transport {
					n[f.Outcome]++
				}
			}
		}
		table(b, over[transport], fmt.Sprint(n[Survived]), fmt.Sprint(n[Survived]+n[Missed]),
			fmt.Sprint(n[Skipped]))
	}
	whole := 0
	for _, r := range c.Rows {
		if r.Count(Survived) > 0 && r.Count(Missed) == 0 {
			whole++
		}
	}
	table(b, "cases in which every fault tried is survived", fmt.Sprint(whole), fmt.Sprint(len(c.Rows)), "")
	b.WriteString("\n")
	var counts []string
	for _, p := range slices.Sorted(maps.Keys(c.Protocols)) {
		counts = append(counts, fmt.Sprintf("%d requests over %s", c.Protocols[p], p))
	}
	if _, any := c.Protocols["HTTP/2.0"]; !any {
		counts = append(counts, "none over HTTP/2")
	}
	b.WriteString(wrap(fmt.Sprintf(protocols, strings.Join(counts, ", "))) + "\n\n")
}

// outcome is the last cell of a case.
func outcome(r Row) string {
	survived, missed := r.Count(Survived), r.Count(Missed)
	var parts []string
	switch {
	case survived+missed == 0:
		parts = append(parts, "not tried")
	case missed == 0:
		parts = append(parts, fmt.Sprintf("survived %d of %d", survived, survived))
	default:
		parts = append(parts, fmt.Sprintf("**survived %d of %d**", survived, survived+missed))
	}
	if missed > 0 && r.Known != "" {
		parts = append(parts, r.Known)
	}
	said := map[string]bool{}
	for _, f := range r.Faults {
		text := ""
		switch {
		case f.Outcome == Missed && r.Known == "":
			text = f.Fault + ": " + f.Why
		case f.Outcome == Skipped:
			text = f.Fault + ": not tried, " + f.Why
		case f.Figure != "" && f.Over != "https":
			text = f.Fault + ": " + f.Figure
		}
		if text != "" && !said[text] {
			said[text] = true
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// table writes a row.
func table(b *strings.Builder, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", `\|`), "\n", " ")
	}
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
