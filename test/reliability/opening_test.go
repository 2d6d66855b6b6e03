package reliability

import (
	"strings"
	"testing"
)

// What is not survived shows in the opening and in its picture.
func TestOpeningShowsWhatIsNotSurvived(t *testing.T) {
	c, sections, err := Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	good, pictures := string(Render(c, sections)), Pictures(c, sections)
	if survived, all := tried(c, ""); survived == 0 || all < survived {
		t.Fatalf("survived %d of %d", survived, all)
	}
	for i, f := range c.Rows[0].Faults {
		if f.Outcome == Survived {
			c.Rows[0].Faults[i].Outcome = Missed
		}
	}
	for i, s := range sections {
		if s.Title == together {
			sections[i].Rows[0][len(s.Head)-1] = "5 of 16"
		}
	}
	bad, changed := string(Render(c, sections)), Pictures(c, sections)
	intro, _, _ := strings.Cut(bad, "<picture>")
	if strings.HasPrefix(good, intro) || !strings.Contains(string(changed["again-dark.svg"]), "5 of 16, crane") {
		t.Errorf("the opening stays as it was: %s", intro)
	}
	for _, name := range []string{"faults-light.svg", "faults-dark.svg", "again-light.svg", "again-dark.svg"} {
		if len(pictures[name]) == 0 || string(pictures[name]) == string(changed[name]) {
			t.Errorf("%s stays as it was", name)
		}
	}
}

// The figures of the opening come from sections that exist: a renamed one would make them zero.
func TestOpeningFindsItsSections(t *testing.T) {
	_, sections, err := Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{stepKills, stepErrors, randomKills, badWeather, again, together, bigLayers,
		archives} {
		if len(titled(sections, title).Rows) == 0 {
			t.Errorf("there is no section %q", title)
		}
	}
	for _, promise := range promises(sections) {
		if strings.Contains(promise, " 0 ") {
			t.Errorf("a figure was not found: %s", promise)
		}
	}
}
