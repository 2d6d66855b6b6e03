package compression_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"drayage/internal/compression"
)

// Wild case 21: zeros behind the end, as gzip and bzip2 themselves take them.
func TestWild21ZerosBehindTheEnd(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"gzip":                    {gz(t, text), text},
		"gzip of several members": {gz(t, text) + gz(t, text), text + text},
		"gzip that ends in zeros": {gz(t, ""), ""},
		"zstd":                    {zst(t, text), text},
		"zstd, skippable at end":  {zst(t, text) + skippable("x"), text},
		"zstd of a raw zero":      {"\x28\xb5\x2f\xfd\x00\x00\x09\x00\x00\x00", "\x00"},
		"bzip2":                   {bz2(t), text},
		"xz":                      {xz(t, "-9"), lines},
		"xz of nothing":           {xz(t, "-9, of nothing"), ""},
	} {
		for _, zeros := range []int{0, 1, 2, 3, 4, 5, 8, 511, 512, 10240, 100_000} {
			in := c.in + strings.Repeat("\x00", zeros)
			for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
				if got, err := readAll(t, wrap(strings.NewReader(in))); err != nil || got != c.want {
					t.Errorf("%s and %d zeros: %q, %v", name, zeros, got, err)
				}
			}
			for _, more := range []string{"x", c.in, text} {
				got, err := readAll(t, strings.NewReader(in+more))
				if err == nil && zeros > 0 && !strings.HasPrefix(name, "xz") { // xz may have zeros within
					t.Errorf("%s, %d zeros and %.9q: %q", name, zeros, more, got)
				}
			}
		}
		for n := compression.PeekSize; n < len(c.in) && !strings.Contains(name, "members"); n++ {
			if got, err := readAll(t, strings.NewReader(c.in[:n])); err == nil && got != c.want {
				t.Errorf("%s, cut off after %d bytes: %q", name, n, got)
			}
		}
	}
}

func readAll(t *testing.T, r io.Reader) (string, error) {
	rc, _, err := compression.NewReader(t.Context(), r, nil)
	if err != nil {
		return "", err
	}
	defer rc.Close()
	all, err := io.ReadAll(rc)
	return string(all), err
}
