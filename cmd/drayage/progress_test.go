package main

import (
	"testing"
)

func TestScrollsOnly(t *testing.T) {
	for _, c := range []struct {
		ci, term string
		want     bool
	}{
		{"", "xterm", false}, {"", "dumb", true}, {"", "", true}, {"true", "xterm", true}, {"1", "xterm", true},
		{"false", "xterm", false}, {"0", "screen", false},
	} {
		t.Setenv("CI", c.ci)
		t.Setenv("TERM", c.term)
		if got := scrollsOnly(); got != c.want {
			t.Errorf("CI=%q TERM=%q: %t, want %t", c.ci, c.term, got, c.want)
		}
	}
}
