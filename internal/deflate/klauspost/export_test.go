package klauspost

// Mixed is content for tests of other packages.
var Mixed = mixed

// Contents are the contents of testdata/golden.tsv. Each has one stream, or several.
func Contents() map[string][][]byte {
	all := map[string][][]byte{}
	for _, c := range contents() {
		all[c.name] = c.data
	}
	return all
}
