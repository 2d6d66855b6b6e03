package tarfs

import "iter"

// table holds the entries of a tar by name, in the order in which they came. There may be very many. It may
// be read concurrently while nobody changes it.
type table struct {
	under   *table // what came before, which does not change any more; nil: nothing
	names   nameSet
	last    []int32 // the index of the last record of a name, by its number
	records []record
	links   map[int32]string // where the records lead that are links
}

type record struct {
	offset, size   int64
	name           int32 // its number
	next           int32 // the index of the next record of the same name; the last leads to the first
	kind           byte
	sparse, linked bool
	repeat         bool // the name was there before
}

func newTable(under *table) *table { return &table{under: under, links: map[int32]string{}} }

func (t *table) add(name string, e Entry) {
	n := int32(len(t.records))
	t.records = append(t.records, record{next: n, repeat: t.under != nil && t.under.has(name)})
	number := t.names.find(name)
	if r := &t.records[n]; number >= 0 {
		before := &t.records[t.last[number]]
		r.next, before.next = before.next, n
		r.repeat = true
		t.last[number] = n
	} else {
		number = t.names.add(name)
		t.last = append(t.last, n)
	}
	t.records[n].name = number
	t.set(n, e)
}

// set puts e into a record.
func (t *table) set(n int32, e Entry) {
	r := &t.records[n]
	r.offset, r.size, r.kind, r.sparse, r.linked = e.Offset, e.Size, e.Kind, e.Sparse, e.Link != ""
	if delete(t.links, n); r.linked {
		t.links[n] = e.Link
	}
}

func (t *table) entry(n int32) Entry {
	r := &t.records[n]
	e := Entry{Offset: r.offset, Size: r.size, Kind: r.kind, Sparse: r.sparse}
	if r.linked {
		e.Link = t.links[n]
	}
	return e
}

// replace puts e in the place of the last entry of a name. The entry must have been added to t, not to the
// table under it.
func (t *table) replace(name string, e Entry) { t.set(t.last[t.names.find(name)], e) }

func (t *table) has(name string) bool {
	return t.names.find(name) >= 0 || t.under != nil && t.under.has(name)
}

// empty reports whether nothing has been added to t.
func (t *table) empty() bool { return len(t.records) == 0 }

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
		number := t.names.find(name)
		if number < 0 {
			return
		}
		last := t.last[number]
		for i := last; ; {
			i = t.records[i].next
			if !yield(t.entry(i)) || i == last {
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
		for i := range t.records {
			r := &t.records[i]
			if (repeats || !r.repeat) && !yield(t.names.text(r.name), t.entry(int32(i))) {
				return
			}
		}
	}
}
