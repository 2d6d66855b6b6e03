package tarpatch

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// header is one block of a header. It is in the old format of GNU, which package tar does not write.
func header(kind byte, name string, size int, more ...byte) []byte {
	h := make([]byte, block)
	copy(h, name)
	copy(h[124:], fmt.Sprintf("%011o", size))
	copy(h[148:], "        ")
	copy(h[257:], "ustar  ")
	h[156] = kind
	copy(h[482:], more)
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// names walks through a tar and tells what there is.
func names(p []byte) (all []string) {
	s := newScanner(layer(p))
	for e, ok := s.next(); ok; e, ok = s.next() {
		all = append(all, fmt.Sprintf("%s %d at %d", e.name, e.size, e.content))
	}
	return all
}

func TestScan(t *testing.T) {
	content := bytes.Repeat([]byte("x"), block)
	sparse := bytes.Join([][]byte{
		header('S', "sparse", 600, 1), append(make([]byte, 504), 1, 0, 0, 0, 0, 0, 0, 0), make([]byte, block),
		content, content, header('0', "./after", 1), content[:block],
	}, nil)
	long := strings.Repeat("long/", 60)
	for _, c := range []struct {
		name string
		tar  []byte
		want string
	}{
		{"sparse", sparse, "sparse 600 at 1536, after 1 at 3072"},
		{"long name of GNU", bytes.Join([][]byte{header('L', "././@LongLink", 3), append([]byte("abc"),
			make([]byte, block-3)...), header('5', "x", 9), header('0', "f", 1), content}, nil),
			"abc 0 at 1536, f 1 at 2048"},
		{"long name of PAX", tarOf(t, file{name: long + "f", body: []byte("1")}), long + "f 1 at 1536"},
		{"directory and link", tarOf(t, file{name: "d/", Header: tar.Header{Typeflag: tar.TypeDir}},
			file{name: "l", Header: tar.Header{Typeflag: tar.TypeLink, Linkname: "d"}}), "d 0 at 512, l 0 at 1024"},
		{"torn content", header('0', "f", 2000), ""},
		{"endless map", bytes.Repeat(append(make([]byte, 504), 1, 0, 0, 0, 0, 0, 0, 0), 3000), ""},
		{"no tar", content, ""},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(names(c.tar), ", "); got != c.want {
				t.Errorf("%s, not %s", got, c.want)
			}
		})
	}
}

// What the index has no room for makes a patch larger, and not wrong.
func TestIndexIsBounded(t *testing.T) {
	defer func(was int) { maxFiles = was }(maxFiles)
	maxFiles = 2
	var files []file
	for i := range 5 {
		files = append(files, file{name: fmt.Sprint("file", i), body: noise(uint64(i), 5000)})
	}
	old := tarOf(t, files...)
	if _, s := patch(t, tarOf(t, files[4], files[0]), old); s.Beyond != 3 || s.New < 5000 || s.Copied < 5000 {
		t.Errorf("%+v", s)
	}
}
