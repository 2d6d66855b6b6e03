package rebuild

// Files counts what is kept.
func (s *Source) Files() (n int) {
	for _, l := range s.layers {
		if l.whole.made() {
			n++
		}
	}
	for _, b := range s.bases {
		if b.file.made() {
			n++
		}
	}
	return n
}
