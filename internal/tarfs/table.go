package tarfs

import "iter"

// table holds the entries of a tar by name, in the order in which they came. It may be read concurrently
// while nobody changes it.
type table struct {
	under   *table // what came before, which does not change any more; nil: nothing
	records []record
	last    map[string]int32 // the index of the last record of a name
}

type record struct {
	Entry
	name   string
	next   int32 // the index of the next record of the same name; the last leads to the first
	repeat bool  // the name was there before
}

func newTable(under *table) *table { return &table{under: under, last: map[string]int32{}} }

func (t *table) add(name string, e Entry) {
	n := int32(len(t.records))
	r := record{e, name, n, t.under != nil && t.under.has(name)}
	if last, ok := t.last[name]; ok {
		before := &t.records[last]
		r.next, before.next = before.next, n
		r.repeat = true
	}
	t.records = append(t.records, r)
	t.last[name] = n
}

// replace puts e in the place of the last entry of a name. The entry must have been added to t, not to the
// table under it.
func (t *table) replace(name string, e Entry) { t.records[t.last[name]].Entry = e }

func (t *table) has(name string) bool {
	_, ok := t.last[name]
	return ok || t.under != nil && t.under.has(name)
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
		last, ok := t.last[name]
		if !ok {
			return
		}
		for i := last; ; {
			i = t.records[i].next
			if !yield(t.records[i].Entry) || i == last {
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
			if r := &t.records[i]; (repeats || !r.repeat) && !yield(r.name, r.Entry) {
				return
			}
		}
	}
}
