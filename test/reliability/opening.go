package reliability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"drayage/test/chart"
)

// The sections that the opening of the page tells of.
const (
	stepKills   = "Killed at every step"
	stepErrors  = "A disk that fails at every step"
	randomKills = "Killed at random moments"
	badWeather  = "Bad weather"
	again       = "Transferred again after a kill"
	together    = "Eight processes and one layout"
	bigLayers   = "Peak memory"
	archives    = "Hostile archives"
	hurtVolumes = "Volumes that are hurt"
)

// Pictures are the drawings of the page, by the names of their files in docs/pictures.
func Pictures(c Cases, sections []Section) map[string][]byte {
	all := faultChart(c, sections).Files("faults")
	maps.Copy(all, againChart(sections).Files("again"))
	return all
}

// titled is the section with a title; an empty one if it was never measured.
func titled(sections []Section, title string) Section {
	i := slices.IndexFunc(sections, func(s Section) bool { return s.Title == title })
	if i < 0 {
		return Section{}
	}
	return sections[i]
}

// number is the number at the start of a cell, in the first row that begins with the words.
func (s Section) number(column string, words ...string) int {
	at := slices.Index(s.Head, column)
	for _, row := range s.Rows {
		if at >= 0 && len(row) >= len(words) && slices.Equal(row[:len(words)], words) {
			digits, _, _ := strings.Cut(row[at], " ")
			n, _ := strconv.Atoi(digits) // a cell without a number counts for nothing
			return n
		}
	}
	return 0
}

// ratio is the bar of some of all.
func ratio(label string, some, all int) chart.Bar {
	return chart.Bar{Label: label, Value: float64(some), Of: float64(all), Own: true,
		Text: fmt.Sprintf("%d of %d", some, all)}
}

// tried counts the faults of a group that were survived, and those that were tried.
func tried(c Cases, group string) (survived, all int) {
	for _, r := range c.Rows {
		if group == "" || r.Group == group {
			survived += r.Count(Survived)
			all += r.Count(Survived) + r.Count(Missed)
		}
	}
	return survived, all
}

// shortGroups are names of groups that are too long for a picture.
var shortGroups = map[string]string{"Pull: registry and network": "Fetch"}

func faultChart(c Cases, sections []Section) chart.Chart {
	faults := chart.Panel{Title: "Faults survived, by kind"}
	group := ""
	for _, r := range c.Rows {
		if r.Group == group {
			continue
		}
		group = r.Group
		survived, all := tried(c, group)
		faults.Bars = append(faults.Bars, ratio(cmp.Or(shortGroups[group], group), survived, all))
	}
	steps, errors := titled(sections, stepKills), titled(sections, stepErrors)
	random := titled(sections, randomKills)
	broken := chart.Panel{Title: "Runs that were killed or failed, and that a second run finished"}
	broken.Bars = []chart.Bar{
		ratio("kill at each step", steps.number("survived", "all"), steps.number("tried", "all")),
		ratio("error at each step", errors.number("survived", "all"), errors.number("tried", "all")),
		ratio("kill at random", random.number("survived", "all"), random.number("kills", "all")),
	}
	return described(chart.Chart{Title: "What drayage survived of what was tried",
		Panels: []chart.Panel{faults, broken}})
}

// againChart shows what tools send twice, and what they lose.
func againChart(sections []Section) chart.Chart {
	sent := titled(sections, again)
	c := chart.Chart{Title: "What is sent again after a kill, and images lost"}
	for _, row := range sent.Rows {
		title := "Sent again after a kill in the middle: " + row[0]
		if n := len(c.Panels); n == 0 || c.Panels[n-1].Title != title {
			c.Panels = append(c.Panels, chart.Panel{Title: title})
		}
		mib := float64(sent.number("after 50%", row[0], row[1])) / 1024
		last := &c.Panels[len(c.Panels)-1]
		last.Bars = append(last.Bars, chart.Bar{Label: row[1], Value: mib, Own: row[1] == "drayage",
			Text: mebibytes(mib)})
	}
	lost := titled(sections, together)
	p := chart.Panel{Title: "Images lost when eight processes fill one layout"}
	for _, row := range lost.Rows {
		p.Bars = append(p.Bars, chart.Bar{Label: row[0], Value: float64(lost.number("lost of all", row[0])),
			Text: row[len(row)-1], Own: row[0] == "drayage"})
	}
	c.Panels = append(c.Panels, p)
	return described(c)
}

func mebibytes(n float64) string {
	if n == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.1f MiB", n)
}

// described says in words what the picture shows.
func described(c chart.Chart) chart.Chart {
	var said []string
	for _, p := range c.Panels {
		var each []string
		for _, bar := range p.Bars {
			each = append(each, bar.Label+" "+bar.Text)
		}
		said = append(said, p.Title+": "+strings.Join(each, ", ")+".")
	}
	c.Description = strings.Join(said, " ")
	return c
}

// writeOpening says what the page means.
func writeOpening(b *strings.Builder, c Cases, sections []Section) {
	survived, all := tried(c, "")
	b.WriteString("# Reliability\n\n")
	fmt.Fprintf(b, intro, all, survived)
	b.WriteString(faultChart(c, sections).Picture("pictures", "faults"))
	b.WriteString("\nWhat that means for you:\n\n")
	for _, promise := range promises(sections) {
		b.WriteString("- " + strings.ReplaceAll(wrapTo(108, promise), "\n", "\n  ") + "\n")
	}
	b.WriteString("\n" + beside + againChart(sections).Picture("pictures", "again") + "\n")
}

const intro = `drayage was broken on purpose, in sixty ways and %d tries. It survived %d of them. This page
lists each way, what drayage does, and what came of it.

`

const beside = `After a kill the other tools measured here begin a layer again, or the whole image. The next
picture shows how much of an image of 46 MiB they transfer a second time. Its last bars show how many of
sixteen images are lost when eight processes share a layout.

`

// promises are what the results mean for a user, with their figures.
func promises(sections []Section) []string {
	steps, storm := titled(sections, stepKills), titled(sections, badWeather)
	layers, attacks := titled(sections, bigLayers), titled(sections, archives)
	harms := titled(sections, hurtVolumes)
	carried, right := "0", "0"
	if len(storm.Rows) == 1 {
		carried, right = storm.Rows[0][0], storm.Rows[0][1]
	}
	peak := 0
	for _, row := range attacks.Rows {
		peak = max(peak, attacks.number("peak memory", row[0]))
	}
	return []string{
		"**Run the same command again.** After a broken connection, a kill or a full disk, `fetch`, `push`, " +
			"`copy` and `save --format oci` go on where they stopped. What has arrived is checked.",
		fmt.Sprintf("**What has a final name is complete.** drayage was killed at %d points of its work. After %d "+
			"of these kills every blob, image and tag was whole.",
			steps.number("tried", "all"), steps.number("survived", "all")),
		fmt.Sprintf("**Wrong bytes do not get in.** Every byte is compared with its digest. %s of %s images came "+
			"through a network that refused, cut, flipped and lost what it carried.", right, carried),
		fmt.Sprintf("**Foreign archives do no harm.** %d archives attack the reader. Every wrong one is refused, "+
			"in at most %d MiB of memory. Nothing is unpacked by name.",
			attacks.number("refused", "verify")+attacks.number("taken", "verify"), peak),
		fmt.Sprintf("**A bad volume has a name.** %d of %d times that a volume, a set file or a signature was "+
			"hurt, lost or exchanged, drayage said which one, or worked as if nothing had happened. Nothing "+
			"wrong was used.",
			harms.number("survived", "all"), harms.number("tried", "all")),
		fmt.Sprintf("**Size does not matter.** A fetch of a layer of 10 GB took %d MiB of memory.",
			layers.number("a layer of 10.0 GB", "fetch")),
		"**An error says why.** It names the cause, and the exit code tells its kind.",
	}
}
