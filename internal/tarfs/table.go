package tarfs

import (
	"hash/maphash"
	"iter"
	"strings"
)

// table holds the entries of a tar by name, in the order in which they came. A hostile tar has very many of
// them, so an entry takes about 50 bytes and its name. The zero value is empty. It may be read concurrently
// while nobody changes it.
type table struct {
	under   *table // what came before, which does not change any more; nil: nothing
	records [][]record
	count   int
	text    []*strings.Builder // names and link targets; each builder keeps its first capacity
	slots   []int32            // by hash: the number of the last record of a name, counted from 1
	names   int                // different ones
	seed    maphash.Seed
}

// record is an entry as it is stored.
type record struct {
	offset, size   int64
	block, at      uint32 // of the name in text; the target of a link follows
	name, link     uint32 // lengths
	next           int32  // index of the next record of the same name; the last leads to the first
	kind           byte
	sparse, repeat bool // repeat: the name was there before
}

const (
	recordBlock = 1 << 10
	textBlock   = 64 << 10
)

// fork returns a table that has what t has and can be added to. From then on t must not change.
func (t *table) fork() *table { return &table{under: t} }

// add enters one more entry under a name.
func (t *table) add(name string, e Entry) {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	if t.names*3 >= len(t.slots)*2 {
		t.grow()
	}
	r := record{name: uint32(len(name)), link: uint32(len(e.Link)), next: int32(t.count)}
	r.set(e)
	r.block, r.at = t.store(name, e.Link)
	slot := t.slot(name)
	if last := t.slots[slot]; last > 0 {
		before := t.record(last - 1)
		r.next, before.next = before.next, r.next
		r.repeat = true
	} else {
		t.names++
		r.repeat = t.under != nil && t.under.has(name)
	}
	if t.count%recordBlock == 0 {
		t.records = append(t.records, make([]record, 0, recordBlock))
	}
	block := &t.records[t.count/recordBlock]
	*block = append(*block, r)
	t.count++
	t.slots[slot] = int32(t.count)
}

// replace puts e in the place of the last entry of a name, but keeps its link. The entry must have been added
// to t, and not to the table under it.
func (t *table) replace(name string, e Entry) { t.record(t.slots[t.slot(name)] - 1).set(e) }

// set takes everything from e but the link.
func (r *record) set(e Entry) {
	r.offset, r.size, r.kind, r.sparse = e.Offset, e.Size, e.Kind, e.Sparse
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

func (t *table) entry(r *record) Entry {
	link := t.text[r.block].String()[r.at+r.name : r.at+r.name+r.link]
	return Entry{Offset: r.offset, Size: r.size, Kind: r.kind, Link: link, Sparse: r.sparse}
}

// has reports whether there is an entry with that name.
func (t *table) has(name string) bool {
	return len(t.slots) > 0 && t.slots[t.slot(name)] > 0 || t.under != nil && t.under.has(name)
}

// all gives the entries of a name.
func (t *table) all(name string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if t.under != nil {
			for e := range t.under.all(name) {
				if !yield(e) {
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
			if !yield(t.entry(t.record(i))) || i == last {
				return
			}
		}
	}
}

// each gives all entries, those that repeat a name only if they are asked for.
func (t *table) each(repeats bool) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		if t.under != nil {
			for name, e := range t.under.each(repeats) {
				if !yield(name, e) {
					return
				}
			}
		}
		for _, block := range t.records {
			for i := range block {
				if r := &block[i]; (repeats || !r.repeat) && !yield(t.name(r), t.entry(r)) {
					return
				}
			}
		}
	}
}
