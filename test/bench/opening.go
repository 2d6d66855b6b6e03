//go:build linux

package bench

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"drayage/test/chart"
)

// job is what the opening of the page tells about one scenario.
type job struct {
	id, title string
	why       string // a sentence or two behind the figures
}

// mainJobs are the five that most people do.
var mainJobs = []job{
	{"fetch-loopback", "From a fast registry into a directory",
		"No tool waits for the network here. The figure is the work of the tool itself."},
	{"fetch-20MBs", "From a registry that sends 20 MB/s to each connection",
		"drayage opens more connections for a layer that comes slowly. The others use one for each layer."},
	{"fetch-20-images", "Twenty images that share a base, into a directory",
		"drayage fetches what the images share once."},
	{"registry-docker-tar", "From a registry into a tar for `docker load`",
		"drayage unpacks layers side by side, and writes each byte once."},
	{"push-docker-tar", "From a tar of `docker save` into a registry",
		"Most of this time goes into compression. `--compression zstd` saves about a third of it."},
}

// memoryJobs are those whose memory is shown.
var memoryJobs = []job{
	{"fetch-loopback", "An image of 266 MB into a directory", ""},
	{"memory-fetch-2GB", "A layer of 2 GB into a directory", ""},
	{"memory-save-2GB", "A layer of 2 GB into a tar for `docker load`", ""},
	{"push-docker-tar", "From a tar of `docker save` into a registry", ""},
}

// The opening of the page stands between these two lines.
const (
	openingBegins = "<!-- opening: made from the tables below by go test ./bench -run Opening -update -->\n"
	openingEnds   = "<!-- end of opening -->\n"
)

// openingOf says what the tables of a page mean, and draws them.
func openingOf(page string) (text string, pictures map[string][]byte, err error) {
	figures := readFigures(page)
	for _, j := range append(mainJobs, memoryJobs...) {
		if some := compared(figures[j.id], wallOf); len(some) < 2 || !some[0].own() {
			return "", nil, fmt.Errorf("there are no figures of drayage and another tool for %s", j.id)
		}
	}
	seconds := picture("Seconds for five jobs", mainJobs, figures, wallOf,
		func(f figure) string { return f.wall })
	memory := picture("Peak memory in MiB", memoryJobs, figures, peakOf,
		func(f figure) string { return fmt.Sprintf("%d MiB", f.peak) })
	var b strings.Builder
	b.WriteString(openingBegins + `
Several tools carry container images. This page shows the time and the memory that they need. They took turns
on one machine, and each result was checked. A shorter bar is better. A tool without a bar does not do that
job.

`)
	b.WriteString(seconds.Picture("pictures", "seconds") + "\nIn words:\n\n")
	for _, j := range mainJobs {
		b.WriteString(sentences(j, figures[j.id]))
	}
	b.WriteString("\n" + most(figures) + "\n\n")
	b.WriteString(memory.Picture("pictures", "memory") + "\n" + caution(page) + "\n" + openingEnds)
	pictures = seconds.Files("seconds")
	maps.Copy(pictures, memory.Files("memory"))
	return b.String(), pictures, nil
}

func wallOf(f figure) float64 { return f.seconds }
func peakOf(f figure) float64 { return float64(f.peak) }

func picture(title string, jobs []job, figures map[string][]figure, of func(figure) float64,
	text func(figure) string,
) chart.Chart {
	c := chart.Chart{Title: title}
	var said []string
	for _, j := range jobs {
		p := chart.Panel{Title: strings.ReplaceAll(j.title, "`", "")}
		var each []string
		for _, f := range compared(figures[j.id], of) {
			p.Bars = append(p.Bars, chart.Bar{Label: f.tool, Value: of(f), Text: text(f), Own: f.own()})
			each = append(each, f.tool+" "+text(f))
		}
		c.Panels = append(c.Panels, p)
		said = append(said, p.Title+": "+strings.Join(each, ", ")+".")
	}
	c.Description = strings.Join(said, " ")
	return c
}

// sentences is what one job came to.
func sentences(j job, all []figure) string {
	some := compared(all, wallOf)
	own, next := some[0], some[1]
	text := fmt.Sprintf("**%s.** drayage took %s. The next tool, %s, took %s: %.1f times as long. %s",
		j.title, own.wall, next.tool, next.wall, next.seconds/own.seconds, j.why)
	if next.seconds < own.seconds {
		text = fmt.Sprintf("**%s.** %s was faster than drayage: it took %s, and drayage %s. %s",
			j.title, next.tool, next.wall, own.wall, j.why)
	}
	return "- " + fill(text, "  ") + "\n"
}

// most says how much memory drayage has needed at most.
func most(figures map[string][]figure) string {
	least, peak := 0, 0
	for _, j := range memoryJobs {
		own := compared(figures[j.id], peakOf)[0]
		peak = max(peak, own.peak)
		if least == 0 || own.peak < least {
			least = own.peak
		}
	}
	return fill(fmt.Sprintf("Memory does not grow with the image. Here drayage held between %d and %d MiB. It "+
		"needs most where it compresses.", least, peak), "")
}

// caution says what the figures do not show, and what was missed.
func caution(page string) string {
	texts, of := missed(page)
	text := fill(fmt.Sprintf("One machine measured this, with the registry on the same disk. Elsewhere the "+
		"network and the registry decide more than the tool does. %d targets were set before the run. It "+
		"reached %d", of, of-len(texts)), "")
	if len(texts) == 0 {
		text += ".\n"
	} else {
		text += ", and missed:\n\n"
	}
	for _, missed := range texts {
		text += "- " + fill(missed, "  ") + "\n"
	}
	return text + "\nAll figures follow, those of later runs at the end. `make bench` measures again.\n"
}

// fill breaks text into lines of a page.
func fill(text, indent string) string {
	const columns = 108
	var b strings.Builder
	used := len(indent)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(word) > columns:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}

// withOpening puts the opening of a page in the place of an earlier one.
func withOpening(page string) (string, map[string][]byte, error) {
	before, rest, begins := strings.Cut(page, openingBegins)
	_, after, ends := strings.Cut(rest, openingEnds)
	if !begins || !ends {
		return "", nil, errors.New("the page has no place for its opening")
	}
	text, pictures, err := openingOf(before + after)
	return before + text + after, pictures, err
}
