package dockerarchive

import (
	"hash/maphash"
	"iter"
	"strings"
)

// table holds the entries of an archive by name, in the order in which they came. A hostile archive has very many of them, so an entry takes about 50
// bytes and its name. The zero value is empty. It may be read concurrently while nobody changes it.
type table struct {
	under   *table // what came before, which does not change any more; nil: nothing
	records [][]record
	count   int
	text    []*strings.Builder // names and link targets; each builder keeps its first capacity
	slots   []int32            // by hash: one more than the index of the last record of a name, 0 where there is none
	names   int                // different ones
	seed    maphash.Seed
}

// record is an entry as it is stored.
type record struct {
	offset, size  int64
	block, at     uint32 // of the name in text; the target of a link follows
	name, link    uint32 // lengths
	next          int32  // index of the next record of the same name; the last leads to the first
	kind          byte
	sparse, again bool // again: the name was there before
}

const (
	recordBlock = 1 << 10
	textBlock   = 64 << 10
)

// fork returns a table that has what t has, which must not change any more, and can be added to.
func (t *table) fork() *table { return &table{under: t} }

// add enters one more entry under a name.
func (t *table) add(name string, s span) {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	if t.names*3 >= len(t.slots)*2 {
		t.grow()
	}
	r := record{offset: s.offset, size: s.size, kind: s.kind, sparse: s.sparse, name: uint32(len(name)), link: uint32(len(s.link)), next: int32(t.count)}
	r.block, r.at = t.store(name, s.link)
	slot := t.slot(name)
	if last := t.slots[slot]; last > 0 {
		before := t.record(last - 1)
		r.next, before.next = before.next, r.next
		r.again = true
	} else {
		t.names++
		r.again = t.under != nil && t.under.has(name)
	}
	if t.count%recordBlock == 0 {
		t.records = append(t.records, make([]record, 0, recordBlock))
	}
	block := &t.records[t.count/recordBlock]
	*block = append(*block, r)
	t.count++
	t.slots[slot] = int32(t.count)
}

// replace puts s in the place of the last entry of a name. Only what was added to t itself, and not to the table under it, can be replaced.
func (t *table) replace(name string, s span) {
	r := t.record(t.slots[t.slot(name)] - 1)
	r.offset, r.size, r.kind, r.sparse = s.offset, s.size, s.kind, s.sparse
}

// store keeps texts, one behind the other.
func (t *table) store(name, link string) (block, at uint32) {
	need := len(name) + len(link)
	last := len(t.text) - 1
	if last < 0 || t.text[last].Cap()-t.text[last].Len() < need {
		b := &strings.Builder{}
		b.Grow(max(textBlock, need))
		t.text = append(t.text, b)
		last++
	}
	b := t.text[last]
	at = uint32(b.Len())
	b.WriteString(name)
	b.WriteString(link)
	return uint32(last), at
}

// grow doubles the room for names.
func (t *table) grow() {
	old := t.slots
	t.slots = make([]int32, max(64, 2*len(old)))
	for _, n := range old {
		if n > 0 {
			t.slots[t.slot(t.name(t.record(n-1)))] = n
		}
	}
}

// slot is where a name is, or where it belongs.
func (t *table) slot(name string) int {
	mask := len(t.slots) - 1
	for i := int(maphash.String(t.seed, name)) & mask; ; i = (i + 1) & mask {
		if n := t.slots[i]; n == 0 || t.name(t.record(n-1)) == name {
			return i
		}
	}
}

func (t *table) record(i int32) *record { return &t.records[i/recordBlock][i%recordBlock] }

func (t *table) name(r *record) string { return t.text[r.block].String()[r.at : r.at+r.name] }

func (t *table) span(r *record) span {
	link := t.text[r.block].String()[r.at+r.name : r.at+r.name+r.link]
	return span{offset: r.offset, size: r.size, kind: r.kind, link: link, sparse: r.sparse}
}

// has reports whether there is an entry with that name.
func (t *table) has(name string) bool {
	return len(t.slots) > 0 && t.slots[t.slot(name)] > 0 || t.under != nil && t.under.has(name)
}

// all gives the entries with a name.
func (t *table) all(name string) iter.Seq[span] {
	return func(yield func(span) bool) {
		if t.under != nil {
			for s := range t.under.all(name) {
				if !yield(s) {
					return
				}
			}
		}
		if len(t.slots) == 0 {
			return
		}
		last := t.slots[t.slot(name)] - 1
		for i := last; i >= 0; {
			i = t.record(i).next
			if !yield(t.span(t.record(i))) || i == last {
				return
			}
		}
	}
}

// each gives all entries; the first of a name and those that come again are told apart.
func (t *table) each() iter.Seq2[entryName, span] {
	return func(yield func(entryName, span) bool) {
		if t.under != nil {
			for n, s := range t.under.each() {
				if !yield(n, s) {
					return
				}
			}
		}
		for _, block := range t.records {
			for i := range block {
				r := &block[i]
				if !yield(entryName{t.name(r), r.again}, t.span(r)) {
					return
				}
			}
		}
	}
}

// entryName is the name of an entry.
type entryName struct {
	text  string
	again bool // it was there before
}
