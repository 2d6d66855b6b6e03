package parity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/klauspost/reedsolomon"

	"drayage/internal/parity"
)

// volumes are n random volumes of size bytes, the last one shorter.
func volumes(rng *rand.Rand, n, size, last int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, size)
		for k := range all[i] {
			all[i][k] = byte(rng.Uint32())
		}
	}
	all[n-1] = all[n-1][:last]
	return all
}

// compute computes the volumes with the points out from the given ones, which may be nil where they are not
// needed.
func compute(t testing.TB, all [][]byte, in, out []int, r parity.Range) map[int][]byte {
	t.Helper()
	var from []parity.Input
	for _, i := range in {
		from = append(from, parity.Input{Point: i, From: bytes.NewReader(all[i]), Size: int64(len(all[i]))})
	}
	result := map[int][]byte{}
	var to []parity.Output
	for _, i := range out {
		p := make([]byte, r.Size)
		next := r.Off
		result[i] = p
		to = append(to, parity.Output{Point: i, Take: func(q []byte, off int64) error {
			if off != next {
				t.Errorf("volume %d: offset %d after %d", i, off, next)
			}
			next += int64(copy(p[off-r.Off:], q))
			return nil
		}})
	}
	done := int64(0)
	err := parity.Compute(t.Context(), from, to, r, func(n int64) { done += n })
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 && done != r.Size {
		t.Errorf("progress: %d of %d bytes", done, r.Size)
	}
	return result
}

func span(first, n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = first + i
	}
	return p
}

// slow computes a stripe as the page about formats tells it: with nothing but a product in the field.
func slow(data []byte, point int) byte {
	product := func(a, b byte) (p byte) {
		for ; b > 0; b >>= 1 {
			if b&1 == 1 {
				p ^= a
			}
			if a >= 128 {
				a = a<<1 ^ 0x1d
			} else {
				a <<= 1
			}
		}
		return p
	}
	quotient := func(a, b byte) byte {
		for q := range 256 {
			if product(byte(q), b) == a {
				return byte(q)
			}
		}
		panic("division by zero")
	}
	sum := byte(0)
	for i, v := range data {
		term := v
		for k := range data {
			if k != i {
				term = quotient(product(term, byte(point^k)), byte(i^k))
			}
		}
		sum ^= term
	}
	return sum
}

func TestParityIsWhatTheFormatSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ n, k int }{{1, 1}, {1, 3}, {2, 1}, {3, 2}, {10, 2}, {17, 5}} {
		all := volumes(rng, c.n, 3, 2)
		got := compute(t, all, span(0, c.n), span(c.n, c.k), parity.Range{Size: 3})
		for p, computed := range got {
			for i := range computed {
				var stripe []byte
				for _, v := range all {
					stripe = append(stripe, append(bytes.Clone(v), 0)[i])
				}
				if want := slow(stripe, p); computed[i] != want {
					t.Errorf("%d+%d: volume %d, byte %d: %#x, want %#x", c.n, c.k, p, i, computed[i], want)
				}
			}
		}
	}
}

// The page about formats has this example.
func TestExample(t *testing.T) {
	got := compute(t, [][]byte{{1}, {2}, {3}}, span(0, 3), span(3, 3), parity.Range{Size: 1})
	for p, want := range map[int]byte{3: 0, 4: 21, 5: 22} {
		if got[p][0] != want {
			t.Errorf("at point %d: %d, want %d", p, got[p][0], want)
		}
	}
}

// Volumes of earlier versions must stay usable: another version of the library changes nothing here.
func TestParityStaysTheSame(t *testing.T) {
	for _, c := range []struct {
		n, k int
		want string
	}{
		{10, 2, "433ebb5e8e84adf45ae5b6bb4dac70e56c7b1dddea5dac2fb621eb063b1d18c9"},
		{1, 1, "a17791bc36407d92cc7e675bfe2d96e53f259e50c4ce77d9be6147aa0fe2b09c"},
		{100, 20, "9dd6f316bb2105a84aeaefcf71ee613ce9ca2bfb1029153f3f170cb3c010c206"},
		{200, 55, "1f7e5b91295fa330ee92a4d8eeb671e0bde25bcc9a7e7510f1709244afc466ba"},
	} {
		all := volumes(rand.New(rand.NewPCG(uint64(c.n), uint64(c.k))), c.n, 1<<10, 1000)
		got := compute(t, all, span(0, c.n), span(c.n, c.k), parity.Range{Size: 1 << 10})
		h := sha256.New()
		for p := range c.k {
			h.Write(got[c.n+p])
		}
		if sum := hex.EncodeToString(h.Sum(nil)); sum != c.want {
			t.Errorf("%d+%d: %s, want %s", c.n, c.k, sum, c.want)
		}
	}
}

// The bytes are those of the library's own matrix, which other programs use too.
func TestParityIsThatOfTheLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ n, k int }{{1, 1}, {4, 4}, {10, 2}, {128, 127}, {254, 1}} {
		all := volumes(rng, c.n, 512, 512)
		got := compute(t, all, span(0, c.n), span(c.n, c.k), parity.Range{Size: 512})
		code, err := reedsolomon.New(c.n, c.k)
		if err != nil {
			t.Fatal(err)
		}
		for range c.k {
			all = append(all, make([]byte, 512))
		}
		if err := code.Encode(all); err != nil {
			t.Fatal(err)
		}
		for p := range c.k {
			if !bytes.Equal(got[c.n+p], all[c.n+p]) {
				t.Errorf("%d+%d: parity volume %d differs", c.n, c.k, p+1)
			}
		}
	}
}

// Any N volumes give all others, in any range.
func TestAnyVolumesGiveTheOthers(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		n, k := 1+rng.IntN(20), 1+rng.IntN(8)
		size := 1 + rng.IntN(3<<19)
		if n == 1 {
			size = 100
		}
		all := volumes(rng, n, size, 1+rng.IntN(size))
		made := compute(t, all, span(0, n), span(n, k), parity.Range{Size: int64(size)})
		for p := range k {
			all = append(all, made[n+p])
		}
		order := rng.Perm(n + k)
		r := parity.Range{Off: int64(rng.IntN(size))}
		r.Size = int64(rng.IntN(size-int(r.Off)) + 1)
		for p, got := range compute(t, all, order[:n], order[n:], r) {
			want := append(bytes.Clone(all[p]), make([]byte, size-len(all[p]))...)[r.Off : r.Off+r.Size]
			if !bytes.Equal(got, want) {
				t.Fatalf("%d+%d of %d bytes: volume %d differs in %+v", n, k, size, p, r)
			}
		}
	}
}

func TestComputeFails(t *testing.T) {
	in := func(p int) parity.Input {
		return parity.Input{Point: p, From: bytes.NewReader(make([]byte, 100)), Size: 100}
	}
	out := func(p int) parity.Output {
		return parity.Output{Point: p, Take: func([]byte, int64) error { return nil }}
	}
	full := errors.New("full")
	bad := out(3)
	bad.Take = func([]byte, int64) error { return full }
	short, broken := in(1), in(1)
	short.Size = 200
	broken.From = readerAt{iotest.ErrReader(full)}
	for _, c := range []struct {
		what string
		in   []parity.Input
		out  []parity.Output
		want error
	}{
		{"nothing to read", nil, []parity.Output{out(1)}, nil},
		{"a point twice", []parity.Input{in(1), in(1)}, []parity.Output{out(2)}, nil},
		{"read and computed", []parity.Input{in(1), in(2)}, []parity.Output{out(2)}, nil},
		{"a point too high", []parity.Input{in(1), in(2)}, []parity.Output{out(255)}, nil},
		{"a point too low", []parity.Input{in(-1), in(2)}, []parity.Output{out(3)}, nil},
		{"a volume that ends early", []parity.Input{in(0), short}, []parity.Output{out(3)}, io.ErrUnexpectedEOF},
		{"a volume that cannot be read", []parity.Input{in(0), broken}, []parity.Output{out(3)}, full},
		{"a volume that cannot be written", []parity.Input{in(0), in(1)}, []parity.Output{bad}, full},
	} {
		err := parity.Compute(t.Context(), c.in, c.out, parity.Range{Size: 200}, nil)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

func TestComputeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	err := parity.Compute(ctx, []parity.Input{{Point: 0, From: zeros{}, Size: 1 << 50}},
		[]parity.Output{{Point: 1, Take: func([]byte, int64) error {
			if calls.Add(1) == 3 {
				cancel()
			}
			return nil
		}}}, parity.Range{Size: 1 << 50}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func BenchmarkEncode(b *testing.B) { benchmark(b, span(0, 10), span(10, 2)) }
func BenchmarkRebuild(b *testing.B) {
	benchmark(b, []int{0, 1, 3, 4, 5, 7, 8, 9, 10, 11}, []int{2, 6})
}
func BenchmarkEncode200And55(b *testing.B) { benchmark(b, span(0, 200), span(200, 55)) }

func benchmark(b *testing.B, in, out []int) {
	const size = 16 << 20
	all := make([][]byte, 255)
	for i := range all {
		all[i] = make([]byte, size)
	}
	b.SetBytes(int64(len(in)) * size)
	for b.Loop() {
		var from []parity.Input
		for _, i := range in {
			from = append(from, parity.Input{Point: i, From: bytes.NewReader(all[i]), Size: size})
		}
		var to []parity.Output
		for _, i := range out {
			to = append(to, parity.Output{Point: i, Take: func([]byte, int64) error { return nil }})
		}
		if err := parity.Compute(b.Context(), from, to, parity.Range{Size: size}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
