package registry

import (
	"testing"
	"time"
)

func TestShortly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 1234 * time.Millisecond: "1.2 s", 10 * time.Second: "10 s", 119 * time.Second: "119 s",
		2 * time.Minute: "2 min", 59*time.Minute + 50*time.Second: "1 h", time.Hour: "1 h",
		90 * time.Minute: "90 min", 2 * time.Hour: "2 h", 24 * time.Hour: "24 h",
	} {
		if got := shortly(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
