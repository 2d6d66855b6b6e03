package tarpatch

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// file is an entry of a tar of tests.
type file struct {
	name string
	body []byte
	tar.Header
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := f.Header
		h.Name, h.Size = f.name, int64(len(f.body))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_700_000_000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPatch(t *testing.T) {
	a, b := noise(1, 300_000), noise(2, 100_000)
	changed := slices.Clone(a)
	for i := 1000; i < len(changed); i += 5000 {
		changed[i]++
	}
	long := strings.Repeat("directory/", 30) + "file"
	old := tarOf(t, file{name: "bin/a", body: a}, file{name: "b.txt", body: b})
	for _, c := range []struct {
		name   string
		target []byte
		most   int64
	}{
		{"equal", old, 150},
		{"moved", tarOf(t, file{name: "x/b", body: b}, file{name: "y", body: a}), 400},
		{"changed", tarOf(t, file{name: "bin/a", body: changed}), 500},
		{"renamed and changed", tarOf(t, file{name: "sbin/a", body: changed}), 500},
		{"grown", tarOf(t, file{name: "b.txt", body: slices.Concat(b[:50_000], noise(3, 500), b[50_000:])}), 1000},
		{"long name", tarOf(t, file{name: long, body: a}), 700},
		{"no tar", changed, 500},
		{"torn", old[:200_000], 200},
		{"new", tarOf(t, file{name: "c", body: noise(4, 1000)}), 1500},
		{"empty", nil, 150},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, s := patch(t, c.target, old); s.Size > c.most {
				t.Errorf("%+v, more than %d", s, c.most)
			}
		})
	}
}

func TestPatchNeedsOnlyWhatItUses(t *testing.T) {
	a, b := tarOf(t, file{name: "a", body: noise(1, 9000)}), tarOf(t, file{name: "b", body: noise(2, 9000)})
	p, s := patch(t, b, a, b, tarOf(t))
	h, err := ReadHeader(bytes.NewReader(p), int64(len(p)))
	if err != nil || len(h.Bases) != 1 || h.Bases[0] != layer(b).DiffID || !slices.Equal(h.Bases, s.Bases) {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := apply(p, layer(a)); err == nil || !strings.Contains(err.Error(), layer(b).DiffID.String()) {
		t.Error(err)
	}
	if got, err := apply(p, layer(a), layer(b)); err != nil || !bytes.Equal(got, b) {
		t.Error(err)
	}
}

func TestPatchWithoutBases(t *testing.T) {
	if _, s := patch(t, tarOf(t, file{name: "a", body: noise(1, 9000)})); s.New == 0 || len(s.Bases) > 0 {
		t.Errorf("%+v", s)
	}
}

// What the end of a file is like is found too, where another place was like the bytes before it.
func TestLastPieceCounts(t *testing.T) {
	a, b := noise(1, 50_000), noise(2, 50_000)
	old := tarOf(t, file{name: "a", body: slices.Concat(a, b)})
	if _, s := patch(t, tarOf(t, file{name: "a", body: slices.Concat(b, a)}), old); s.New > 2000 {
		t.Errorf("%+v", s)
	}
}
