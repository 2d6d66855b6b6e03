package tarfs

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/limits"
)

// model is what a table must be like: the simplest way to have it.
type model struct {
	names   []string // of all entries, in order
	entries []Entry
}

func (m model) all(name string) (found []Entry) {
	for i, n := range m.names {
		if n == name {
			found = append(found, m.entries[i])
		}
	}
	return found
}

func (m *model) replace(name string, s Entry) {
	i := len(m.names) - 1
	for m.names[i] != name {
		i--
	}
	m.entries[i] = s
}

func compareTable(t *testing.T, got *table, want model, absent string) {
	t.Helper()
	i := 0
	seen := map[string]bool{}
	var once []string
	for name, e := range got.each(true) {
		if i >= len(want.names) || name != want.names[i] || e != want.entries[i] {
			t.Fatalf("entry %d: %q %v", i, name, e)
		}
		if !seen[name] {
			once = append(once, name)
		}
		seen[name] = true
		i++
	}
	if i != len(want.names) {
		t.Fatalf("%d entries, want %d", i, len(want.names))
	}
	for name := range got.each(false) {
		if len(once) == 0 || name != once[0] {
			t.Fatalf("%q is not the next different name", name)
		}
		once = once[1:]
	}
	if len(once) > 0 {
		t.Fatalf("%q do not come", once)
	}
	for name := range seen {
		if diff := cmp.Diff(want.all(name), slices.Collect(got.all(name))); diff != "" || !got.has(name) {
			t.Fatalf("%q (-want +got):\n%s", name, diff)
		}
	}
	for s := range got.all(absent) {
		t.Errorf("%q is there: %v", absent, s)
	}
	if got.has(absent) {
		t.Errorf("%q is there", absent)
	}
}

// A table and its forks do what lists do, also where names repeat, are empty or long.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var serial int64
	fill := func(to *table, m *model, n int) {
		own := len(m.names)
		for range n {
			name := fmt.Sprint("name", random.IntN(3*n))
			switch random.IntN(50) {
			case 0:
				name = ""
			case 1:
				name = strings.Repeat("long", 1000) + name
			default:
				if serial%2 == 0 {
					name = blobs + fmt.Sprintf("%064x", random.IntN(3*n))
				}
			}
			serial++
			s := Entry{Offset: serial, Size: random.Int64N(1 << 50), Kind: byte('0' + random.IntN(8))}
			s.Sparse = random.IntN(9) == 0
			if random.IntN(5) == 0 {
				s.Link = strings.Repeat("../", random.IntN(40))
			}
			to.add(name, s)
			m.names, m.entries = append(m.names, name), append(m.entries, s)
			if random.IntN(10) == 0 && slices.Contains(m.names[own:], name) {
				s.Offset = -serial
				to.replace(name, s)
				m.replace(name, s)
			}
		}
	}
	for _, n := range []int{0, 1, 2, 100, 3000} {
		below := newTable(nil)
		var under model
		compareTable(t, below, under, "absent")
		fill(below, &under, n)
		compareTable(t, below, under, "absent")
		for range 2 {
			fork, m := newTable(below), model{slices.Clone(under.names), slices.Clone(under.entries)}
			compareTable(t, fork, m, "absent")
			fill(fork, &m, n)
			compareTable(t, fork, m, "absent")
			compareTable(t, below, under, "absent")
		}
	}
}

// One name very often must not take longer than many names.
func TestTableOfOneName(t *testing.T) {
	tb := newTable(nil)
	for i := range limits.Entries {
		tb.add("a", Entry{Offset: int64(i)})
	}
	n := 0
	for s := range tb.all("a") {
		if s.Offset != int64(n) {
			t.Fatalf("entry %d is %d", n, s.Offset)
		}
		n++
	}
	if n != limits.Entries || len(tb.last) != 1 || len(tb.names.refs) != 1 {
		t.Errorf("%d entries of %d names", n, len(tb.last))
	}
}

// A hostile tar has very many entries, and one of ten thousand images has as many blobs.
func TestTableIsSmall(t *testing.T) {
	const n = 100_000
	for format, most := range map[string]int64{"%020d": 120, blobs + "%064x": 100} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		tb := newTable(nil)
		for i := range n {
			tb.add(fmt.Sprintf(format, i), Entry{Offset: int64(i)})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > most {
			t.Errorf("%s: an entry takes %d bytes", format, each)
		}
		runtime.KeepAlive(tb)
	}
}

// Names that are nearly those of blobs are not mixed up with them.
func TestNamesOfBlobs(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	all := []string{blobs + digits, blobs + strings.ToUpper(digits), blobs + digits[1:], blobs + digits + "0",
		blobs + digits[:63] + "g", "blobs/sha512/" + digits, "Blobs/sha256/" + digits, blobs, ""}
	var n nameSet
	for i, name := range all {
		if at := n.find(name); at >= 0 {
			t.Errorf("%q is taken for %q", name, all[at])
		}
		if at := n.add(name); int(at) != i {
			t.Errorf("%q has the number %d, want %d", name, at, i)
		}
	}
	for i, name := range all {
		if at := n.find(name); int(at) != i || n.text(at) != name {
			t.Errorf("%q is found as %d", name, at)
		}
	}
}
