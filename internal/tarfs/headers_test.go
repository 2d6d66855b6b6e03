package tarfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"drayage/internal/verify"
)

// bodyA is what the file "a" holds in these tests.
var bodyA = strings.Repeat("0123456789abcdef", 160)

func openTar(raw []byte) (*Index, error) { return New(bytes.NewReader(raw), int64(len(raw))) }

func TestWhatStandsBehindTheEnd(t *testing.T) {
	good := build(t, file("a", bodyA), file("b", "b"))
	for name, c := range map[string]struct {
		tail []byte
		ok   bool
	}{
		"nothing":            {nil, true},
		"empty blocks":       {make([]byte, 20*512), true},
		"part of a block":    {make([]byte, 100), true},
		"another tar":        {good, false},
		"a byte":             {[]byte("x"), false},
		"a byte, far behind": {append(make([]byte, 1<<20), 'x'), false},
		"the same name":      {build(t, file("a", "other")), false},
	} {
		_, err := openTar(append(bytes.Clone(good), c.tail...))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %v, want ok: %v", name, err, c.ok)
		}
	}
}

// rawTar is a tar whose headers are made by hand: change gets that of "a".
func rawTar(t *testing.T, format tar.Format, change func(header []byte)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "first", Size: 5, Format: format})
	io.WriteString(w, "first")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	at := b.Len()
	w.WriteHeader(&tar.Header{Name: "a", Size: int64(len(bodyA)), Format: format})
	io.WriteString(w, bodyA)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	header := b.Bytes()[at : at+512]
	change(header)
	sum := 8 * int64(' ')
	for i, c := range header {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b.Bytes()
}

// readA reads the file "a", which must hold bodyA.
func readA(raw []byte) error {
	x, err := openTar(raw)
	if err != nil {
		return err
	}
	content, err := x.Read("a", 1<<20)
	if err == nil && string(content) != bodyA {
		err = fmt.Errorf("%d bytes", len(content))
	}
	return err
}

func TestOddHeaders(t *testing.T) {
	size := func(field string) func([]byte) {
		return func(h []byte) { copy(h[124:136], field+strings.Repeat("\x00", 12-len(field))) }
	}
	for name, c := range map[string]struct {
		format tar.Format
		change func([]byte)
		ok     bool
	}{
		"ustar":                 {tar.FormatUSTAR, func([]byte) {}, true},
		"gnu":                   {tar.FormatGNU, func([]byte) {}, true},
		"before ustar":          {tar.FormatUSTAR, func(h []byte) { clear(h[257:512]) }, true},
		"the old type of files": {tar.FormatUSTAR, func(h []byte) { h[156] = 0 }, true},
		"base 256": {tar.FormatGNU,
			size("\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string([]byte{byte(len(bodyA) >> 8), byte(len(bodyA))})),
			true},
		"gnu sparse":      {tar.FormatGNU, func(h []byte) { h[156] = tar.TypeGNUSparse }, false},
		"a reserved type": {tar.FormatUSTAR, func(h []byte) { h[156] = tar.TypeCont }, false},
		"negative size": {tar.FormatGNU, size("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
			false},
		"negative size in octal": {tar.FormatUSTAR, size("-0000000001"), false},
		"size of 2^63": {tar.FormatGNU, size("\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00"),
			false},
		"size of 2^63-1": {tar.FormatGNU, size("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"),
			false},
		"size of 2^63-512": {tar.FormatGNU, size("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xfe\x00"),
			false},
		"larger than the archive":  {tar.FormatUSTAR, size("00000100000"), false},
		"a size that is no number": {tar.FormatUSTAR, size("x"), false},
		"a directory with a size":  {tar.FormatUSTAR, func(h []byte) { h[156] = tar.TypeDir }, false},
	} {
		if err := readA(rawTar(t, c.format, c.change)); (err == nil) != c.ok {
			t.Errorf("%s: %v; want ok: %v", name, err, c.ok)
		}
	}
	broken := rawTar(t, tar.FormatUSTAR, func([]byte) {})
	broken[600] ^= 1
	broken[1024+148] ^= 1 // a wrong sum in the second header
	if _, err := openTar(broken); !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("wrong sum: %v", err)
	}
}

// pax is a tar of a file "a" with extended headers.
func pax(t testing.TB, records map[string]string, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "first", Size: 5})
	io.WriteString(w, "first")
	var recs string
	for k, v := range records {
		rec := fmt.Sprintf(" %s=%s\n", k, v)
		n := len(rec) + 1
		for len(fmt.Sprint(n))+len(rec) != n {
			n++
		}
		recs += fmt.Sprint(n) + rec
	}
	for _, part := range []struct {
		kind byte
		body string
	}{{tar.TypeXHeader, recs}, {tar.TypeReg, body}} {
		raw := make([]byte, 512)
		copy(raw, "a")
		copy(raw[100:], "0000644\x000000000\x000000000\x00")
		copy(raw[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(part.body)))
		raw[156] = part.kind
		copy(raw[257:], "ustar\x0000")
		sum := 8 * 32
		for _, c := range raw {
			sum += int(c)
		}
		copy(raw[148:], fmt.Sprintf("%06o\x00 ", sum))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
		b.WriteString(part.body)
		b.Write(make([]byte, (512-len(part.body)%512)%512))
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func TestExtendedHeaders(t *testing.T) {
	sparse10 := "1\n0\n" + fmt.Sprint(len(bodyA)) + "\n"
	sparse10 += strings.Repeat("\x00", 512-len(sparse10)) + bodyA
	real := fmt.Sprint(len(bodyA))
	for name, c := range map[string]struct {
		records map[string]string
		body    string
		ok      bool
	}{
		"nothing":               {nil, bodyA, true},
		"a comment":             {map[string]string{"comment": "x"}, bodyA, true},
		"its size":              {map[string]string{"size": real}, bodyA, true},
		"its name":              {map[string]string{"path": "./a"}, bodyA, true},
		"another name":          {map[string]string{"path": "b"}, bodyA, false},
		"a size beyond the end": {map[string]string{"size": "1000000"}, bodyA, false},
		"a negative size":       {map[string]string{"size": "-1"}, bodyA, false},
		"a size of 2^63":        {map[string]string{"size": "9223372036854775808"}, bodyA, false},
		"sparse 0.1": {map[string]string{"GNU.sparse.map": "0," + real, "GNU.sparse.numblocks": "1",
			"GNU.sparse.size": real}, bodyA, true},
		"sparse 1.0": {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
			"GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, sparse10, true},
		"sparse 1.0, cut off": {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
			"GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, sparse10[:600], false},
		"sparse 1.0, no map": {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
			"GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, bodyA, false},
		"sparse 2.0": {map[string]string{"GNU.sparse.major": "2", "GNU.sparse.minor": "0"}, bodyA, true},
		"sparse, overlapping": {map[string]string{"GNU.sparse.map": "0," + real + ",0," + real,
			"GNU.sparse.numblocks": "2", "GNU.sparse.size": real}, bodyA + bodyA, false},
		"sparse, huge": {map[string]string{"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1",
			"GNU.sparse.size": "1000000000000"}, "x", false},
		"records of 2 MiB": {map[string]string{"comment": strings.Repeat("x", 2<<20)}, bodyA, false},
	} {
		if err := readA(pax(t, c.records, c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v; want ok: %v", name, err, c.ok)
		}
	}
}
