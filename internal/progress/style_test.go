package progress

import "testing"

func TestWhatAutoMeans(t *testing.T) {
	for _, c := range []struct {
		ci, term string
		want     Style
	}{
		{"", "xterm", Bar}, {"", "dumb", Plain}, {"", "", Plain}, {"true", "xterm", Plain}, {"1", "xterm", Plain},
		{"false", "xterm", Bar}, {"0", "screen", Bar},
	} {
		t.Setenv("CI", c.ci)
		t.Setenv("TERM", c.term)
		if got := Auto.Choose(true); got != c.want {
			t.Errorf("CI=%q TERM=%q: %s, want %s", c.ci, c.term, got, c.want)
		}
	}
	for style, want := range map[Style]Style{"": Plain, Auto: Plain, JSON: JSON, Bar: Bar, None: None} {
		if got := style.Choose(false); got != want {
			t.Errorf("%q without a terminal: %s, want %s", style, got, want)
		}
	}
	for text, ok := range map[string]bool{"auto": true, "json": true, "fancy": false, "": false} {
		if err := CheckStyle(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
