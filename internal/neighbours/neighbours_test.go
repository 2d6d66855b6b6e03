package neighbours_test

import (
	"slices"
	"strings"
	"testing"

	"drayage/internal/limits"
	"drayage/internal/neighbours"
)

func TestNeighbours(t *testing.T) {
	for _, c := range []struct{ tags, pushed, want string }{
		{"", "1.0", ""},
		{"1.0", "1.0", ""},
		{"1.9 1.10 1.8", "1.11", "1.10 "},
		{"1.9 1.10 2.0 latest", "1.11", "1.10 2.0 latest"},
		{"1.0 1.0-alpine 1.1 1.1-alpine 2.0", "1.2-alpine", "1.1-alpine 2.0"},
		{"v1 v9 v10 edge zebra", "latest", "v10 edge"},
		{"1.2 1.3 stable", "latest", "1.3"},
		{"sha256-" + strings.Repeat("a", 64) + ".sig 3", "4", "3"},
		{"5 6 7 8 9", "7", "6 8 9"},
	} {
		got := neighbours.Tags(strings.Fields(c.tags), c.pushed)
		if want := strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("next to %s of %s: %v, want %v", c.pushed, c.tags, got, want)
		}
		if len(got) > limits.AskedTags {
			t.Errorf("%d tags", len(got))
		}
	}
}
