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

// skippable is a zstd frame that holds no content, as zstd:chunked puts at the end and others at the
// beginning.
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
	return unhex(t, "425a6839314159265359b908551a00000d1180400420610c802000218834d083"+
		"2621d0ee2838c9804477c5dc914e14242e42154680")
}

// unhex decodes what a program made.
func unhex(t testing.TB, s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// lines is what for i in $(seq 64); do echo 0123456789abcde; done prints.
var lines = strings.Repeat("0123456789abcde\n", 64)

// xz is lines as xz 5.4.1 compresses them.
func xz(t testing.TB, how string) string {
	const block = "e003ff001c5d00180c42926a67bc0ed1332ce4cc4229c04f0e56d5ffe29f812e10c50000"
	const sum64 = "cd0510003564b10b000138800800000060c92e5fb1c467fb020000000004595a"
	return unhex(t, map[string]string{
		"-9":                  "fd377a585a000004e6d6b446020021011c00000010cf58cc" + block + sum64,
		"--lzma2=dict=128MiB": "fd377a585a000004e6d6b446020021011e0000009b075166" + block + sum64,
		"--x86 --lzma2":       "fd377a585a000004e6d6b44602010400210116000d86351f" + block + sum64,
		"--check=none": "fd377a585a000000ff12d9410200210116000000742fe5a3" + block +
			"00013080080000000d4b7db3a8000afc020000000000595a",
		"--check=sha256": "fd377a585a00000ae1fb0ca1020021011c00000010cf58cc" + block +
			"3bc163a2e7d6e82aadbafc1efd1f0875eacad94bdbdd9c5ae3847493f9ed42e9" +
			"0001508008000000574489bbb6e9df1c02000000000a595a",
		"-9, of nothing": "fd377a585a000004e6d6b44600000000" + "1cdf44211fb6f37d010000000004595a",
	}[how])
}

func TestNewReader(t *testing.T) {
	for _, c := range []struct {
		name, in string
		kind     string
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
		{"xz", xz(t, "-9"), compression.Xz, lines},
		{"xz of nothing", xz(t, "-9, of nothing"), compression.Xz, ""},
		{"xz without a sum", xz(t, "--check=none"), compression.Xz, lines},
		{"xz with SHA-256", xz(t, "--check=sha256"), compression.Xz, lines},
		{"xz of programs", xz(t, "--x86 --lzma2"), compression.Xz, lines},
		{"xz of several streams", xz(t, "-9") + xz(t, "-9, of nothing") + strings.Repeat("\x00", 8) + xz(t,
			"--check=none"), compression.Xz, lines + lines},
		{"almost xz", "\xfd7zXZ", compression.None, "\xfd7zXZ"},
		{"almost bzip2", "BZh9 is a word", compression.None, "BZh9 is a word"},
		{"almost zstd", "\x60\x2a\x4d\x18....", compression.None, "\x60\x2a\x4d\x18...."},
		{"almost gzip", "\x1f\x8b\x07\x00", compression.None, "\x1f\x8b\x07\x00"},
	} {
		if got := compression.Detect([]byte(c.in)[:min(len(c.in), compression.PeekSize)]); got != c.kind {
			t.Errorf("%s: detected %s, want %s", c.name, got, c.kind)
		}
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			rc, kind, err := compression.NewReader(t.Context(), wrap(strings.NewReader(c.in)), nil)
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
		"gzip without a body": gz(t, text)[:10], "gzip cut in its header": gz(t,
			text)[:5], "gzip cut in its body": gz(t, text)[:20],
		"gzip without its trailer": gz(t, text)[:len(gz(t, text))-8], "gzip with something behind it": gz(t,
			text) + "x",
		"gzip with a wrong sum": flip(gz(t, text), -6), "gzip with a wrong byte": flip(gz(t, text), 12),
		"zstd cut": zst(t, text)[:20], "zstd with a wrong byte": flip(zst(t, text),
			-2), "zstd with something behind it": zst(t, text) + "text",
		"zstd that needs 256 MiB": window(0x90), "zstd that needs 2 GiB": window(0xa8),
		"bzip2 cut": bz2(t)[:30], "bzip2 with a wrong byte": flip(bz2(t), 30),
		"xz cut in its header": xz(t, "-9")[:8], "xz cut behind its header": xz(t,
			"-9")[:12], "xz cut in its body": xz(t, "-9")[:50],
		"xz without its end": xz(t, "-9")[:len(xz(t, "-9"))-12], "xz with a wrong byte": flip(xz(t, "-9"),
			45), "xz with a wrong sum": flip(xz(t, "-9"), -30),
		"xz with something behind it": xz(t, "-9") + "text", "xz that needs 128 MiB": xz(t, "--lzma2=dict=128MiB"),
		"xz whose second stream needs 128 MiB": xz(t, "-9") + xz(t, "--lzma2=dict=128MiB"),
	} {
		rc, kind, err := compression.NewReader(t.Context(), strings.NewReader(in), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
			rc.Close()
		}
		if err == nil || kind == compression.None {
			t.Errorf("%s: read without an error, as %s", name, kind)
		}
	}
	broken := iotest.ErrReader(iotest.ErrTimeout)
	if _, _, err := compression.NewReader(t.Context(), broken, nil); err != iotest.ErrTimeout {
		t.Errorf("a source that fails: %v", err)
	}
}

// TestXzErrors checks that what is wrong with xz is told apart as it is with gzip.
func TestXzErrors(t *testing.T) {
	for cut := 6; cut < len(xz(t, "-9")); cut++ {
		rc, _, err := compression.NewReader(t.Context(), strings.NewReader(xz(t, "-9")[:cut]), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
		}
		if err != io.ErrUnexpectedEOF {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	rc, _, err := compression.NewReader(t.Context(), strings.NewReader(xz(t, "--lzma2=dict=128MiB")), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
	}
	if err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("a dictionary of 128 MiB: %v", err)
	}
}

// flip changes the byte at i, counted from the end if negative.
func flip(s string, i int) string {
	b := []byte(s)
	b[(i+len(b))%len(b)] ^= 0x10
	return string(b)
}

// FuzzNewReader checks that any input ends, in content or an error, and that what is not compressed is left
// alone.
func FuzzNewReader(f *testing.F) {
	for _, s := range []string{"", text, gz(f, text), gz(f, text)[:20], gz(f, "") + gz(f, text), zst(f, text),
		skippable("x") + zst(f, text), bz2(f),
		xz(f, "-9"), xz(f, "-9") + xz(f, "--check=none"), xz(f, "--x86 --lzma2"), xz(f,
			"--lzma2=dict=128MiB"), xz(f, "-9")[:40], "\xfd7zXZ\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		kind := compression.Detect(in)
		if again := compression.Detect(in[:min(len(in), compression.PeekSize)]); again != kind {
			t.Fatalf("%s by its first bytes, %s by all", again, kind)
		}
		rc, opened, err := compression.NewReader(t.Context(), bytes.NewReader(in), nil)
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
