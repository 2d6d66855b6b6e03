package zlib_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

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
		from := len(out) - 32768 - 8 + s.next(560)
		out = append(out, out[from:from+4+s.next(s.next(260)+1)]...)
	}
	return out[:n]
}

// skewed are n bytes. Each value is twice as frequent as the next one, so that codes are too long for
// deflate.
func (s *source) skewed(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		for out[i] < 29 && s.next(2) == 0 {
			out[i]++
		}
	}
	return out
}

// unlike are up to 32,768 bytes in which no three come again, so that no match is found.
func unlike(n int) []byte {
	out := make([]byte, 0, 1<<15)
	for i := range 1 << 14 {
		out = append(out, byte(i>>7|0x80), byte(i&0x7f))
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

// contents are what the table of digests is about. A name never changes its content.
func contents() map[string][]byte {
	all := map[string][]byte{
		"empty": {}, "one": []byte("x"), "three": []byte("xxx"),
		"zeros": make([]byte, 200_000),
		// As many literals as the buffers of symbols hold.
		"unlike16383": unlike(1<<14 - 1), "unlike32767": unlike(1<<15 - 1),
	}
	kinds := map[string]func(*source, int) []byte{
		"words": func(s *source, n int) []byte { return s.words(n, 2000) },
		"few":   func(s *source, n int) []byte { return s.words(n, 7) },
		"noise": (*source).noise, "records": (*source).records, "echoes": (*source).echoes,
		"skewed": (*source).skewed, "mixed": (*source).mixed,
	}
	sizes := map[string][]int{
		"words":   {262, 65_275, 65_400, 65_536, 98_100, 131_072, 131_073, 262_144},
		"few":     {65_533, 98_305},
		"noise":   {16_383, 16_384, 131_072, 200_000},
		"records": {65_300, 150_000},
		"echoes":  {150_000},
		"skewed":  {120_000},
		"mixed":   {400_000, 3_000_000},
	}
	for kind, ns := range sizes {
		for _, n := range ns {
			s := source(n)
			all[kind+strconv.Itoa(n)] = kinds[kind](&s, n)
		}
	}
	return all
}

var write = flag.String("contents", "", "write the contents to this directory, for encoders to compress")

// TestContents writes the contents that testdata/golden.sh compresses.
func TestContents(t *testing.T) {
	if *write == "" {
		t.Skip("no -contents")
	}
	for name, content := range contents() {
		if err := os.WriteFile(filepath.Join(*write, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
