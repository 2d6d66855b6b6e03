package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestIndenter(t *testing.T) {
	for _, tc := range []struct {
		writes []string
		want   string
	}{
		{nil, ""},
		{[]string{"one\ntwo\n"}, "> one\n> two\n"},
		{[]string{"on", "e\ntw", "o"}, "> one\n> two\n"},
		{[]string{"10%\r50%\r100%\n"}, "> 100%\n"},
		{[]string{"windows\r\n"}, "> windows\n"},
		{[]string{"\n"}, "> \n"},
	} {
		var out strings.Builder
		in := &indenter{w: &out, prefix: "> "}
		for _, w := range tc.writes {
			if n, err := in.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("Write(%q) = %d, %v", w, n, err)
			}
		}
		if err := in.flush(); err != nil {
			t.Error(err)
		}
		if got := out.String(); got != tc.want {
			t.Errorf("%q comes out as %q, want %q", tc.writes, got, tc.want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 2_340_000: "2.3 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestMissingBinary(t *testing.T) {
	err := run(t.Context(), filepath.Join(t.TempDir(), "drayage"))
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("run without a binary: %v, want advice to build it", err)
	}
}
