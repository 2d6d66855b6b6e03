package klauspost

// numbers is a generator of the same numbers everywhere (xorshift64*).
type numbers uint64

func (n *numbers) next() uint64 {
	*n ^= *n >> 12
	*n ^= *n << 25
	*n ^= *n >> 27
	return uint64(*n) * 0x2545f4914f6cdd1d
}

func (n *numbers) below(limit int) int { return int(n.next() >> 33 % uint64(limit)) }

// words is text: words of a vocabulary in which the first are frequent.
func words(seed, size int) []byte {
	n := numbers(seed)
	vocabulary := make([]string, 3000)
	for i := range vocabulary {
		word := make([]byte, 2+n.below(9))
		for j := range word {
			word[j] = "etaoinshrdlucmfwypvbgkjqxz"[n.below(1+n.below(26))]
		}
		vocabulary[i] = string(word)
	}
	out := make([]byte, 0, size+16)
	for len(out) < size {
		out = append(out, vocabulary[n.below(1+n.below(len(vocabulary)))]...)
		out = append(out, "  \n,. ;"[n.below(1+n.below(7))])
	}
	return out[:size]
}

// noise has no pattern.
func noise(seed, size int) []byte {
	n := numbers(seed)
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(n.next() >> 56)
	}
	return out
}

// records is binary: fields that change little from one record to the next, as in programs and tables.
func records(seed, size int) []byte {
	n := numbers(seed)
	out := make([]byte, 0, size+64)
	at, kind := uint32(0x400000), byte(0)
	for len(out) < size {
		if n.below(50) == 0 {
			kind = byte(n.below(7))
		}
		at += uint32(n.below(1 + 4<<kind))
		out = append(out, 0x48, 0x8b|kind, byte(n.below(4)), byte(at), byte(at>>8), byte(at>>16), 0, 0)
		for i := 0; i < int(kind); i++ {
			out = append(out, byte(n.below(1+n.below(256))))
		}
	}
	return out[:size]
}

// letters is noise in an alphabet of 64.
func letters(seed, size int) []byte {
	out := noise(seed, size)
	for i, b := range out {
		out[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[b&63]
	}
	return out
}

// mixed has parts of all of these, some of them again.
func mixed(seed, size int) []byte {
	n := numbers(seed)
	out := make([]byte, 0, size+300<<10)
	for len(out) < size {
		part := 1 + n.below(1+n.below(200<<10))
		switch n.below(7) {
		case 0:
			out = append(out, noise(int(n.next()>>20), part)...)
		case 1, 2:
			out = append(out, words(int(n.next()>>20), part)...)
		case 3:
			out = append(out, records(int(n.next()>>20), part)...)
		case 4:
			out = append(out, letters(int(n.next()>>20), part>>2)...)
		case 5:
			out = append(out, make([]byte, part>>2)...)
		default:
			from := n.below(len(out) + 1)
			out = append(out, out[from:min(from+part, len(out))]...)
		}
	}
	return out[:size]
}

type content struct {
	name string
	data [][]byte // each is a stream
}

func contents() []content {
	short := content{name: "short"}
	for _, size := range []int{0, 1, 12, 13, 15, 16, 31, 32, 33, 64, 100, 127, 128, 129, 200, 333, 1000, 5000} {
		short.data = append(short.data, words(size+1, size), noise(size+1, size), letters(size+1, size),
			records(size+1, size), mixed(size+1, size), make([]byte, size))
	}
	const chunk = 65535
	for _, size := range []int{chunk - 1, chunk + 1, chunk + 16, chunk + 100, 2*chunk + 200} {
		short.data = append(short.data, words(size, size))
	}
	return []content{
		short,
		{"words", [][]byte{words(1, 300777)}},
		{"records", [][]byte{records(2, 350333)}},
		{"noise", [][]byte{noise(3, 150000)}},
		{"letters", [][]byte{letters(4, 200000)}},
		{"zeros", [][]byte{make([]byte, 1<<20)}},
		{"mixed", [][]byte{mixed(5, 1400100)}},
		ends(),
		{"poor", [][]byte{mixed(1000, 1236309)}}, // has chunks whose few matches are not used
	}
}

// ends are streams that end where an encoder ends a chunk, moves its buffer or has a part to come, and noise
// where a part begins.
func ends() content {
	c := content{name: "ends"}
	for _, size := range []int{65535, 2 * 65535, 4 * 65535, 65536, 65536 - 262, 98304} {
		c.data = append(c.data, words(size, size), mixed(size, size))
	}
	c.data = append(c.data, words(7, 1<<20-1<<14), append(mixed(8, 1<<20-1<<15), noise(9, 1<<17)...))
	return c
}
