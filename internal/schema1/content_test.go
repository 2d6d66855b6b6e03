package schema1_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"drayage/internal/compression"
	"drayage/internal/schema1"
	"drayage/internal/schema1test"
	"drayage/internal/verify"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestReadContent(t *testing.T) {
	text := strings.Repeat("a layer ", 1000)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, blob, plain string
		kind              compression.Kind
	}{
		{"gzip", gz(text), text, compression.Gzip},
		{"several members", gz(text) + gz("more"), text + "more", compression.Gzip},
		{"plain", text, text, compression.None},
		{"nothing", "", "", compression.None},
		{"zstd", string(enc.EncodeAll([]byte(text), nil)), text, compression.Zstd},
		{"the empty layer of old", string(schema1test.EmptyBlob), strings.Repeat("\x00", 1024), compression.Gzip},
	} {
		ended := &ending{r: strings.NewReader(c.blob)}
		got, err := schema1.ReadContent(iotest.HalfReader(ended))
		want := schema1.Content{DiffID: digest.FromString(c.plain), Size: int64(len(c.plain)), Kind: c.kind}
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, want)
		}
		if !ended.ended {
			t.Errorf("%s: not read to its end, where it is verified", c.name)
		}
	}
}

// ending notes that its end has been seen.
type ending struct {
	r     io.Reader
	ended bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.ended = e.ended || err == io.EOF
	return n, err
}

func TestReadContentFails(t *testing.T) {
	broken := errors.New("the network is broken")
	whole := gz(strings.Repeat("a layer ", 1000))
	for name, blob := range map[string]string{
		"cut in the header": whole[:5], "cut": whole[:len(whole)/2], "without its end": whole[:len(whole)-1], "with something behind it": whole + "x", "xz": "\xfd7zXZ\x00\x00\x04",
	} {
		if got, err := schema1.ReadContent(strings.NewReader(blob)); !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if got, err := schema1.ReadContent(io.MultiReader(strings.NewReader(blob), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%s, then the source fails: %v, %v", name, got, err)
		}
	}
	for name, blob := range map[string]string{"whole": whole, "plain": "text", "nothing": ""} {
		if got, err := schema1.ReadContent(io.MultiReader(strings.NewReader(blob), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%s, then the source fails: %v, %v", name, got, err)
		}
	}
}
