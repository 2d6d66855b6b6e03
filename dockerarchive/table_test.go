package dockerarchive

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// model is what a table must be like: the simplest way to have it.
type model struct {
	names []string // of all entries, in order
	spans []span
}

func (m model) all(name string) (found []span) {
	for i, n := range m.names {
		if n == name {
			found = append(found, m.spans[i])
		}
	}
	return found
}

func (m *model) replace(name string, s span) {
	i := len(m.names) - 1
	for m.names[i] != name {
		i--
	}
	m.spans[i].offset, m.spans[i].size, m.spans[i].kind, m.spans[i].sparse = s.offset, s.size, s.kind, s.sparse
}

func compareTable(t *testing.T, got *table, want model, absent string) {
	t.Helper()
	i := 0
	seen := map[string]bool{}
	for name, s := range got.each() {
		if i >= len(want.names) || name.text != want.names[i] || s != want.spans[i] || name.again != seen[name.text] {
			t.Fatalf("entry %d: %v %v", i, name, s)
		}
		seen[name.text] = true
		i++
	}
	if i != len(want.names) {
		t.Fatalf("%d entries, want %d", i, len(want.names))
	}
	for name := range seen {
		if diff := cmp.Diff(want.all(name), slices.Collect(got.all(name)), cmp.AllowUnexported(span{})); diff != "" || !got.has(name) {
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

// A table and its forks do what lists do, also where names repeat, are empty or larger than a block of text.
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
				name = strings.Repeat("long", textBlock/4) + name
			}
			serial++
			s := span{offset: serial, size: random.Int64N(1 << 50), kind: byte('0' + random.IntN(8)), sparse: random.IntN(9) == 0}
			if random.IntN(5) == 0 {
				s.link = strings.Repeat("../", random.IntN(40))
			}
			to.add(name, s)
			m.names, m.spans = append(m.names, name), append(m.spans, s)
			if random.IntN(10) == 0 && slices.Contains(m.names[own:], name) {
				s.offset = -serial
				to.replace(name, s)
				m.replace(name, s)
			}
		}
	}
	for _, n := range []int{0, 1, 2, 100, 3000} {
		var below table
		var under model
		compareTable(t, &below, under, "absent")
		fill(&below, &under, n)
		compareTable(t, &below, under, "absent")
		for range 2 {
			fork, m := below.fork(), model{slices.Clone(under.names), slices.Clone(under.spans)}
			compareTable(t, fork, m, "absent")
			fill(fork, &m, n)
			compareTable(t, fork, m, "absent")
			compareTable(t, &below, under, "absent")
		}
	}
}

// One name very often must not take longer than many names.
func TestTableOfOneName(t *testing.T) {
	var tb table
	for i := range maxEntries {
		tb.add("a", span{offset: int64(i)})
	}
	n := 0
	for s := range tb.all("a") {
		if s.offset != int64(n) {
			t.Fatalf("entry %d is %d", n, s.offset)
		}
		n++
	}
	if n != maxEntries || tb.names != 1 {
		t.Errorf("%d entries of %d names", n, tb.names)
	}
}

// An entry takes little more than its name.
func TestTableIsSmall(t *testing.T) {
	const n, name = 100_000, 20
	var tb table
	for i := range n {
		tb.add(fmt.Sprintf("%0*d", name, i), span{offset: int64(i)})
	}
	size := len(tb.slots) * 4
	for _, block := range tb.records {
		size += cap(block) * int(unsafe.Sizeof(record{}))
	}
	for _, block := range tb.text {
		size += block.Cap()
	}
	if each := size / n; each > name+52 {
		t.Errorf("an entry takes %d bytes", each)
	}
}
