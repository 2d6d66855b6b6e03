package compression_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"

	"drayage/internal/compression"
)

// framed is text in one zstd frame with a window.
func framed(t testing.TB, s string, window int, checksum bool) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderCRC(checksum),
		zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	// Flushed in between, so that the frame does not tell its size.
	io.WriteString(w, s[:len(s)/2])
	w.Flush()
	io.WriteString(w, s[len(s)/2:])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Wild case 37: a stream of many frames is decoded whatever windows they have, and has all of its room back.
func TestWild37FramesOfManyWindows(t *testing.T) {
	large := strings.Repeat("a window of text, ", 100_000)
	var in, want strings.Builder
	for i, window := range []int{1 << 20, 1 << 23, 1 << 10, 1 << 25, 1 << 23, 1 << 26} {
		in.WriteString(skippable("between frames"))
		in.WriteString(framed(t, large[:len(large)-i], window, i%2 == 0))
		in.WriteString(zst(t, "one segment"))
		in.WriteString(framed(t, "", 1<<15, true))
		want.WriteString(large[:len(large)-i] + "one segment")
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader,
		"bytes": iotest.OneByteReader,
	} {
		budget := compression.NewBudget(8 << 20)
		for range 2 {
			rc, kind, err := compression.NewReader(t.Context(), wrap(strings.NewReader(in.String())), budget)
			if err != nil || kind != compression.Zstd {
				t.Fatal(kind, err)
			}
			got, err := io.ReadAll(rc)
			if err != nil || string(got) != want.String() {
				t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, want.Len())
			}
			// The end gives the room back. Nobody has to wait for Close.
		}
	}
	for cut := range in.Len() / 1000 {
		rc, _, err := compression.NewReader(t.Context(), strings.NewReader(in.String()[:cut*997+1]), nil)
		if err != nil {
			continue
		}
		if got, err := io.ReadAll(rc); !strings.HasPrefix(want.String(), string(got)) && len(got) > 1 {
			t.Errorf("cut at %d: %v", cut*997+1, err)
		}
		rc.Close()
	}
}

// What cannot be decoded takes no room.
func TestWild37DamagedStreamsGiveRoomBack(t *testing.T) {
	budget := compression.NewBudget(1 << 20)
	good := framed(t, "text, text", 1<<26, true)
	for range 3 {
		for _, in := range []string{
			good[:len(good)-1], "\xfd7zXZ\x00", xz(t, "-9")[:20], window(0xa8), good + "x", good,
		} {
			rc, _, err := compression.NewReader(t.Context(), strings.NewReader(in), budget)
			if err == nil {
				_, err = io.ReadAll(rc)
			}
			if (err == nil) != (in == good) {
				t.Errorf("%q: %v", in, err)
			}
		}
	}
}

// Large decoders wait their turn, however they end, and a wait ends with the context.
func TestWild37LargeWindowsWait(t *testing.T) {
	for name, in := range map[string]string{"zstd": framed(t, "text, text", 1<<26, true), "xz": xz(t, "-9")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := compression.NewBudget(1 << 20)
				open := func(ctx context.Context) (io.ReadCloser, error) {
					rc, _, err := compression.NewReader(ctx, strings.NewReader(in), budget)
					if err == nil {
						_, err = rc.Read(make([]byte, 3))
					}
					return rc, err
				}
				first, err := open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				stop := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				done := make(chan error, 2)
				go func() {
					_, err := open(ctx)
					done <- err
				}()
				synctest.Wait()
				if len(done) > 0 {
					t.Fatal("two decoders at once")
				}
				cancel(stop)
				if err := <-done; !errors.Is(err, stop) {
					t.Errorf("the wait ended with %v", err)
				}
				go func() {
					second, err := open(t.Context())
					second.Close()
					done <- err
				}()
				synctest.Wait()
				first.Close()
				first.Close()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
