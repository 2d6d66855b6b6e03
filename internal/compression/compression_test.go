package compression_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"drayage/internal/compression"
)

const text = "what is in it, in it, in it"

func gz(t testing.TB, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zst(t testing.TB, s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

// skippable is a zstd frame that holds no content, as zstd:chunked puts at the end and others at the beginning.
func skippable(s string) string {
	b := []byte("\x5a\x2a\x4d\x18\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(s)))
	return string(b) + s
}

// window is an empty zstd frame with a window descriptor: 0x88 makes its reader hold 128 MiB.
func window(descriptor byte) string {
	return "\x28\xb5\x2f\xfd\x00" + string([]byte{descriptor}) + "\x01\x00\x00"
}

// bz2 is text as bzip2 1.0.8 compresses it: printf 'what is in it, in it, in it' | bzip2 | xxd -p
func bz2(t testing.TB) string {
	b, err := hex.DecodeString("425a6839314159265359b908551a00000d1180400420610c802000218834d0832621d0ee2838c9804477c5dc914e14242e42154680")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNewReader(t *testing.T) {
	for _, c := range []struct {
		name, in string
		kind     compression.Kind
		want     string
	}{
		{"plain", text, compression.None, text},
		{"empty", "", compression.None, ""},
		{"one byte", "\x1f", compression.None, "\x1f"},
		{"gzip", gz(t, text), compression.Gzip, text},
		{"gzip of nothing", gz(t, ""), compression.Gzip, ""},
		{"gzip of several members", gz(t, text) + gz(t, "") + gz(t, text), compression.Gzip, text + text},
		{"gzip of gzip: one layer is taken off", gz(t, gz(t, text)), compression.Gzip, gz(t, text)},
		{"zstd", zst(t, text), compression.Zstd, text},
		{"zstd of several frames", zst(t, text) + skippable("x") + zst(t, text), compression.Zstd, text + text},
		{"zstd behind a skippable frame", skippable("x") + zst(t, text), compression.Zstd, text},
		{"zstd with the largest window", window(0x88), compression.Zstd, ""},
		{"bzip2", bz2(t), compression.Bzip2, text},
		{"almost bzip2", "BZh9 is a word", compression.None, "BZh9 is a word"},
		{"almost zstd", "\x60\x2a\x4d\x18....", compression.None, "\x60\x2a\x4d\x18...."},
		{"almost gzip", "\x1f\x8b\x07\x00", compression.None, "\x1f\x8b\x07\x00"},
	} {
		if got := compression.Detect([]byte(c.in)[:min(len(c.in), compression.PeekSize)]); got != c.kind {
			t.Errorf("%s: detected %s, want %s", c.name, got, c.kind)
		}
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			rc, kind, err := compression.NewReader(wrap(strings.NewReader(c.in)))
			if err != nil || kind != c.kind {
				t.Errorf("%s: %s, %v; want %s", c.name, kind, err, c.kind)
				continue
			}
			got, err := io.ReadAll(rc)
			if err != nil || string(got) != c.want {
				t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
			}
			if err := rc.Close(); err != nil {
				t.Errorf("%s: Close: %v", c.name, err)
			}
		}
	}
}

func TestNewReaderFails(t *testing.T) {
	for name, in := range map[string]string{
		"gzip without a body": gz(t, text)[:10], "gzip cut in its header": gz(t, text)[:5], "gzip cut in its body": gz(t, text)[:20],
		"gzip without its trailer": gz(t, text)[:len(gz(t, text))-8], "gzip with something behind it": gz(t, text) + "x",
		"gzip with a wrong sum": flip(gz(t, text), -6), "gzip with a wrong byte": flip(gz(t, text), 12),
		"zstd cut": zst(t, text)[:20], "zstd with a wrong byte": flip(zst(t, text), -2), "zstd with something behind it": zst(t, text) + "text",
		"zstd that needs 256 MiB": window(0x90), "zstd that needs 2 GiB": window(0xa8), "bzip2 cut": bz2(t)[:30], "bzip2 with a wrong byte": flip(bz2(t), 30),
		"xz": "\xfd7zXZ\x00\x00\x04",
	} {
		rc, kind, err := compression.NewReader(strings.NewReader(in))
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
			rc.Close()
		}
		if err == nil || kind == compression.None {
			t.Errorf("%s: read without an error, as %s", name, kind)
		}
	}
	if _, _, err := compression.NewReader(iotest.ErrReader(iotest.ErrTimeout)); err != iotest.ErrTimeout {
		t.Errorf("a source that fails: %v", err)
	}
}

// flip changes the byte at i, counted from the end if negative.
func flip(s string, i int) string {
	b := []byte(s)
	b[(i+len(b))%len(b)] ^= 0x10
	return string(b)
}

// FuzzNewReader checks that any input ends, in content or an error, and that what is not compressed is left alone.
func FuzzNewReader(f *testing.F) {
	for _, s := range []string{"", text, gz(f, text), gz(f, text)[:20], gz(f, "") + gz(f, text), zst(f, text), skippable("x") + zst(f, text), bz2(f), "\xfd7zXZ\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		kind := compression.Detect(in)
		if again := compression.Detect(in[:min(len(in), compression.PeekSize)]); again != kind {
			t.Fatalf("%s by its first bytes, %s by all", again, kind)
		}
		rc, opened, err := compression.NewReader(bytes.NewReader(in))
		if opened != kind {
			t.Fatalf("opened as %s, detected as %s", opened, kind)
		}
		if err != nil {
			return
		}
		defer rc.Close()
		got, err := io.ReadAll(io.LimitReader(rc, 1<<20))
		if kind == compression.None && (err != nil || !bytes.Equal(got, in)) {
			t.Fatalf("%q became %q, %v", in, got, err)
		}
	})
}
