package tarpatch

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCoder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var out bytes.Buffer
	bitsOf := make([]int, 200_000)
	for i := range bitsOf {
		bitsOf[i] = b2i(r.IntN(1+i/1000) == 0)
	}
	code := func(c *coder, visit func(i, bit int)) {
		p := chances(4)
		for i, b := range bitsOf {
			visit(i, c.bit(&p[i%3], b&b2i(c.from == nil)))
		}
	}
	c := newCoder(&out)
	code(c, func(int, int) {})
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(out.Bytes())
	c = newDecoder(in)
	code(c, func(i, bit int) {
		if bit != bitsOf[i] {
			t.Fatalf("bit %d", i)
		}
	})
	if c.err != nil || in.Len() > 0 || out.Len() > len(bitsOf)/30 {
		t.Errorf("%d bytes, %d left, %v", out.Len(), in.Len(), c.err)
	}
	if newDecoder(in); in.Len() != 0 {
		t.Error("bytes behind the end")
	}
}

func TestNumbers(t *testing.T) {
	all := []uint64{0, 1, 2, 3, 255, 1 << 20, 1<<63 - 1, 7, 7, 7, 1 << 62}
	for i := range uint64(2000) {
		all = append(all, i*i)
	}
	var out bytes.Buffer
	c, m := newCoder(&out), newNumbers()
	for _, n := range all {
		m.code(c, n)
	}
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	c, m = newDecoder(&out), newNumbers()
	for i, n := range all {
		if got := m.code(c, 0); got != n || c.err != nil {
			t.Fatalf("%d: %d, not %d, %v", i, got, n, c.err)
		}
	}
}

// program is code with calls, behind it tables of addresses, and text. What lies behind a place was moved.
func program(moved int) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	var b []byte
	at := func(n int) int {
		if n > 30_000 {
			n += moved
		}
		return n
	}
	for len(b) < 60_000+at(30_001)-30_001 {
		b = append(b, noise(r.Uint64(), r.IntN(20))...)
		if len(b) >= 30_000 && len(b) < 30_000+moved {
			b = append(b, noise(99, moved)...)
		}
		b = append(b, 0xe8)
		to := at(r.IntN(60_000))
		b = binary.LittleEndian.AppendUint32(b, uint32(to-len(b)-4))
	}
	b = append(b, make([]byte, 4-len(b)%4)...)
	for range 5000 {
		b = binary.LittleEndian.AppendUint32(b, uint32(at(r.IntN(60_000))))
	}
	return append(b, "some text that says that nothing has changed"...)
}

// modelled codes new bytes by as many old ones.
func modelled(t testing.TB, old, new []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	c := newCoder(&out)
	newDeltas(c).code(old, new, 512, 1000)
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(old))
	in := bytes.NewReader(out.Bytes())
	c = newDecoder(in)
	newDeltas(c).code(old, got, 512, 1000)
	if c.err != nil || in.Len() > 0 || !bytes.Equal(got, new) {
		t.Errorf("%v, %d bytes are left, equal: %t", c.err, in.Len(), bytes.Equal(got, new))
	}
	return out.Bytes()
}

// Addresses in a program cost little, because each one changes as its neighbours do.
func TestMovedProgram(t *testing.T) {
	_, s := patch(t, tarOf(t, file{name: "a", body: program(288)}), tarOf(t, file{name: "a", body: program(0)}))
	if s.Size > 3000 {
		t.Errorf("%+v", s)
	}
}

// Patches of today are applied by every later version, so the model stays as it is.
func TestModelStays(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	old := program(0)
	old = append(old, tarOf(t, file{name: "header", body: noise(1, 100)})...)
	old = old[len(old)%block:] // headers lie at multiples of their size
	new := slices.Clone(old)
	for range 3000 {
		at := r.IntN(len(new) - 4)
		binary.LittleEndian.PutUint32(new[at:], binary.LittleEndian.Uint32(new[at:])+uint32(64<<r.IntN(9)))
	}
	m, out := newMoves(nil), new
	deltas := modelled(t, old, out)
	var ops bytes.Buffer
	m.coder = newCoder(&ops)
	for range 3000 {
		for f := range fields {
			m.code(f, r.Uint64N(1<<r.IntN(30)))
		}
	}
	if err := m.finish(); err != nil {
		t.Fatal(err)
	}
	for i, stream := range [][]byte{deltas, ops.Bytes(), told(t, layer(old), pieces(new))} {
		sum := sha256.Sum256(stream)
		if got := hex.EncodeToString(sum[:8]); got != frozen[i] {
			t.Errorf("model %d makes %d bytes with the sum %s", i+1, len(stream), got)
		}
	}
}

// frozen are the first bytes of sums of what the models made when they were released.
var frozen = [3]string{"65d7a39cf2f95460", "6a41a361a1d2752e", "fb09c1de8ebb203b"}

// FuzzModel codes any bytes by any others, and reads any bytes.
func FuzzModel(f *testing.F) {
	a, b := program(0)[:3000], program(32)[:3000]
	f.Add(a, b)
	f.Add(b, a)
	f.Add(tarOf(f, file{name: "a"}), tarOf(f, file{name: "b"}))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		c := newDecoder(bytes.NewReader(new))
		newDeltas(c).code(old, make([]byte, len(old)), 0, 7)
		if c.err != nil && c.err != io.EOF {
			t.Error(c.err)
		}
		n := min(len(old), len(new))
		modelled(t, old[:n], new[:n])
	})
}
