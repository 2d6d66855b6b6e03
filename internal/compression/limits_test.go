package compression_test

import (
	"errors"
	"strings"
	"testing"

	"drayage/internal/compression"
)

// Wild case 21, continued: the error says what is wrong with a stream that other programs read.
func TestWild21WhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a byte behind gzip":        {gz(t, text) + "x", "not gzip"},
		"text behind gzip":          {gz(t, text) + strings.Repeat("text", 9), "not gzip"},
		"a cut member behind gzip":  {gz(t, text) + "\x1f", "unexpected EOF"},
		"a zstd window of 256 MiB":  {window(0x90), "128 MiB"},
		"a zstd window of 2 GiB":    {window(0xa8), "2048 MiB"},
		"an xz dictionary, 128 MiB": {xz(t, "--lzma2=dict=128MiB"), "64 MiB"},
	} {
		_, err := readAll(t, strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if memory := strings.Contains(c.want, "MiB"); errors.Is(err, compression.ErrMemory) != memory {
			t.Errorf("%s: %v is about memory: %v", name, err, !memory)
		}
	}
}

// An empty stream is bzip2 too, and so is what comes behind it.
func TestWild21Bzip2OfNothing(t *testing.T) {
	nothing := unhex(t, "425a683917724538509000000000")
	for in, want := range map[string]string{nothing: "", nothing + bz2(t): text, bz2(t) + nothing: text} {
		if got, err := readAll(t, strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
