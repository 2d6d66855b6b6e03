package layout

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Digests have the marks that they were given, whatever their algorithm, and in capitals they are others.
func TestMarkedDigests(t *testing.T) {
	var m marked
	small, large := digest.FromString("a"), digest.SHA512.FromString("a")
	all := []digest.Digest{small, large, digest.Digest("sha256:" + strings.Repeat("0g", 32)), "", "sha256:ab",
		digest.Digest("sha256:" + strings.ToUpper(small.Encoded()))}
	for _, d := range all {
		if m.has(d, counted) || m.has(d, right) {
			t.Errorf("%q has a mark that nobody gave it", d)
		}
		m.add(d, right)
		if m.has(d, counted) || !m.has(d, right) {
			t.Errorf("%q has other marks than it was given", d)
		}
		m.add(d, counted)
	}
	if m.has(digest.FromString("b"), right) {
		t.Error("a digest has the mark of another one")
	}
	m.drop(counted)
	for _, d := range all {
		if m.has(d, counted) || !m.has(d, right) {
			t.Errorf("%q lost another mark than the one that was dropped", d)
		}
	}
}

// There may be very many digests, and their text is not held.
func TestMarkedDigestsTakeLittle(t *testing.T) {
	const many, most = 50_000, 90
	live := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools have
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	var m marked
	before := live()
	for i := range many {
		d := digest.FromString(fmt.Sprint(i))
		m.add(d, right)
		m.add(d, counted)
	}
	if each := (live() - before) / many; each > most {
		t.Errorf("a digest takes %d bytes, at most %d are meant to be", each, most)
	}
	runtime.KeepAlive(&m)
}
