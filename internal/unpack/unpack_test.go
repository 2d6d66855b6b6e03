package unpack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"drayage/internal/compression"
	"drayage/internal/schema1test"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// sum is Sum of a blob that verifies itself.
func sum(t *testing.T, blob io.Reader) (unpack.Layer, error) {
	layer, err := unpack.Sum(t.Context(), blob, digest.SHA256, nil)
	return layer, unpack.Explain(err, blob)
}

func TestSum(t *testing.T) {
	text := strings.Repeat("a layer ", 1000)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, blob, plain string
		kind              string
	}{
		{"gzip", gz(text), text, compression.Gzip},
		{"several members", gz(text) + gz("more"), text + "more", compression.Gzip},
		{"plain", text, text, compression.None},
		{"nothing", "", "", compression.None},
		{"zstd", string(enc.EncodeAll([]byte(text), nil)), text, compression.Zstd},
		{"the empty layer of old", string(schema1test.EmptyBlob), strings.Repeat("\x00", 1024), compression.Gzip},
	} {
		ended := &ending{r: strings.NewReader(c.blob)}
		got, err := sum(t, iotest.HalfReader(ended))
		want := unpack.Layer{DiffID: digest.FromString(c.plain), Size: int64(len(c.plain)), Kind: c.kind}
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

func TestSumFails(t *testing.T) {
	broken := errors.New("the network is broken")
	whole := gz(strings.Repeat("a layer ", 1000))
	for name, blob := range map[string]string{
		"cut in the header": whole[:5], "cut": whole[:len(whole)/2], "without its end": whole[:len(whole)-1],
		"with something behind it": whole + "x", "xz": "\xfd7zXZ\x00\x00\x04",
	} {
		if got, err := sum(t, strings.NewReader(blob)); !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		got, err := sum(t, io.MultiReader(strings.NewReader(blob), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%s, then the source fails: %v, %v", name, got, err)
		}
	}
	for name, blob := range map[string]string{"whole": whole, "plain": "text", "nothing": ""} {
		got, err := sum(t, io.MultiReader(strings.NewReader(blob), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%s, then the source fails: %v, %v", name, got, err)
		}
	}
}

// Whoever writes what is unpacked gets the errors of writing back.
func TestSumWrites(t *testing.T) {
	var plain strings.Builder
	layer, err := unpack.Sum(t.Context(), strings.NewReader(gz("a layer")), digest.SHA512, &plain)
	if err != nil || plain.String() != "a layer" || layer.DiffID != digest.SHA512.FromString("a layer") {
		t.Errorf("%q, %v, %v", plain.String(), layer, err)
	}
	full := errors.New("the disk is full")
	r, w := io.Pipe()
	r.CloseWithError(full)
	if _, err := unpack.Sum(t.Context(), strings.NewReader(gz("a layer")), digest.SHA256, w); err != full {
		t.Errorf("%v, want %v", err, full)
	}
}

// The end of the context is no fault of the layer.
func TestSumStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user has gone")
	cut := io.MultiReader(strings.NewReader(gz("a layer")[:12]), readerFunc(func(p []byte) (int, error) {
		cancel(reason)
		return copy(p, "x"), nil
	}))
	if _, err := unpack.Sum(ctx, cut, digest.SHA256, nil); err != reason {
		t.Errorf("%v, want %v", err, reason)
	}
	// it may also end while a decoder waits for memory, and no source has failed
	ctx, cancel = context.WithCancelCause(t.Context())
	w, _ := zstd.NewWriter(nil)
	whole := w.EncodeAll([]byte("a layer"), nil)
	late := readerFunc(func(p []byte) (int, error) {
		cancel(reason)
		return copy(p, whole), io.EOF
	})
	if _, err := unpack.Sum(ctx, late, digest.SHA256, nil); err != reason {
		t.Errorf("waiting for memory: %v, want %v", err, reason)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestErrors(t *testing.T) {
	_, err := unpack.Sum(t.Context(), strings.NewReader(gz("a layer")[:15]), digest.SHA256, nil)
	if want := "it cannot be decompressed (gzip): unexpected EOF"; err == nil ||
		err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	err = unpack.Explain(err, strings.NewReader(""))
	want := "it cannot be decompressed, although its digest is right: unexpected EOF"
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	large := &unpack.Error{Kind: "zstd", Err: fmt.Errorf("its window %w", compression.ErrMemory)}
	want = "it cannot be unpacked here: its window is larger than the limit"
	if errors.Is(large, verify.ErrMismatch) || large.Error() != want {
		t.Errorf("a layer that takes too much memory: %v", large)
	}
	if err := unpack.CheckDiffID("sha256:a", "sha256:b"); !errors.Is(err, verify.ErrMismatch) {
		t.Error(err)
	}
}
