package golang_test

// source makes content from a seed, always the same.
type source uint64

func (s *source) next(n int) int {
	*s = *s*6364136223846793005 + 1442695040888963407
	return int(uint64(*s) >> 33 % uint64(n))
}

func (s *source) noise(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(s.next(256))
	}
	return out
}

// words are n bytes of words from a vocabulary of the given size. Some words are more frequent than others.
func (s *source) words(n, vocabulary int) []byte {
	words := make([][]byte, vocabulary)
	for i := range words {
		words[i] = make([]byte, 2+s.next(9))
		for j := range words[i] {
			words[i][j] = "etaoinshrdlucmfwypvbgkjqxz_0123456789"[s.next(s.next(36)+1)]
		}
	}
	out := make([]byte, 0, n+16)
	for len(out) < n {
		out = append(out, words[s.next(s.next(vocabulary)+1)]...)
		out = append(out, " \n.,;:(){}"[s.next(s.next(10)+1)])
	}
	return out[:n]
}

// records are n bytes of records that differ in few places, as headers and binaries have.
func (s *source) records(n int) []byte {
	record := s.noise(16 + s.next(100))
	out := make([]byte, 0, n+200)
	for len(out) < n {
		for range 1 + s.next(3) {
			record[s.next(len(record))] = byte(s.next(256))
		}
		out = append(out, record...)
	}
	return out[:n]
}

// echoes are n bytes in which what comes again stands about a window back, where the reach of an encoder
// ends.
func (s *source) echoes(n int) []byte {
	out := s.noise(33000)
	for len(out) < n {
		if s.next(3) == 0 {
			out = append(out, s.noise(1+s.next(s.next(30)+1))...)
		}
		from := len(out) - 32768 - 8 + s.next(280)
		out = append(out, out[from:from+4+s.next(s.next(260)+1)]...)
	}
	return out[:n]
}

// mixed are n bytes of all kinds, as a tar has.
func (s *source) mixed(n int) []byte {
	var out []byte
	for len(out) < n {
		size := 1 + s.next(1+s.next(80000))
		switch s.next(7) {
		case 0:
			out = append(out, s.noise(size)...)
		case 1:
			out = append(out, make([]byte, size)...)
		case 2:
			out = append(out, s.records(size)...)
		case 3:
			from := s.next(len(out) + 1)
			out = append(out, out[from:min(len(out), from+size)]...)
		default:
			out = append(out, s.words(size, 20+s.next(3000))...)
		}
	}
	return out[:n]
}

// poor are n bytes in which matches are rare: runs of noise of some of the bytes, with an echo now and then,
// and a few words.
func (s *source) poor(n int) []byte {
	out := s.noise(33000)
	for len(out) < n {
		size, symbols := 1+s.next(400_000), min(256, 30+s.next(1+s.next(400)))
		if s.next(3) == 0 {
			out = append(out, s.words(1+size/8, 300)...)
			continue
		}
		for range size {
			out = append(out, byte(s.next(symbols)))
			if s.next(20_000) == 0 {
				from := len(out) - 1 - s.next(33000)
				out = append(out, out[from:min(len(out), from+1+s.next(1+s.next(3000)))]...)
			}
		}
	}
	return out[:n]
}

// late are n bytes of zeros and noise. When the first blocks are full, the encoder is near the end of its
// buffer, and looks at few positions of the noise.
func (s *source) late(n int) []byte {
	zeros := make([]byte, min(n, 32640))
	return append(zeros, s.noise(n-len(zeros))...)
}

var kinds = []struct {
	name string
	make func(s *source, n int) []byte
}{
	{"mixed", (*source).mixed},
	{"words", func(s *source, n int) []byte { return s.words(n, 2000) }},
	{"few words", func(s *source, n int) []byte { return s.words(n, 7) }},
	{"records", (*source).records},
	{"echoes", (*source).echoes},
	{"noise", (*source).noise},
	{"poor", (*source).poor},
	{"late", (*source).late},
	{"zeros", func(_ *source, n int) []byte { return make([]byte, n) }},
}
