package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// asked is a source that notes at which offsets it is opened. Behind change its bytes are others.
type asked struct {
	content []byte
	offsets []int64
}

func (a *asked) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	a.offsets = append(a.offsets, offset)
	r := bytes.NewReader(bytes.Clone(a.content))
	return io.NopCloser(image.Section(r, int64(len(a.content)), offset, length)), nil
}

func TestRereader(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB
	d := image.Describe("", content)
	src := &asked{content: content}
	r := image.NewRereader(src, d)
	read := func(wanted, n int64) int64 {
		t.Helper()
		stream, at := r.Open(t.Context(), wanted)
		defer stream.Close()
		var got bytes.Buffer
		buf := make([]byte, 32<<10)
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, io.LimitReader(stream, n), buf)
		if err != nil || at > wanted || !bytes.Equal(got.Bytes(), content[at:min(at+n, d.Size)]) {
			t.Fatalf("from %d, %d wanted: %d bytes, %v", at, wanted, got.Len(), err)
		}
		return at
	}
	if at := read(0, 4<<20); at != 0 {
		t.Errorf("the first stream begins at %d", at)
	}
	if at := read(3<<20+5, 1<<20); at < 2<<20 {
		t.Errorf("4 MiB have been read, and the stream begins at %d", at)
	}
	if at := read(2<<20+5, 1<<19); at < 1<<20 {
		t.Errorf("4 MiB have been read, and the stream begins at %d", at)
	}
	if at := read(4<<20, 1<<20); at > 3<<20 { // the stream before has ended there
		t.Errorf("it begins at %d, where nothing has been read again", at)
	}
	stream, at := r.Open(t.Context(), d.Size)
	if rest, err := io.ReadAll(stream); err != nil || int64(len(rest)) != d.Size-at {
		t.Errorf("to the end: %d bytes, %v", len(rest), err)
	}
	for i, o := range src.offsets[1:] {
		if o == 0 {
			t.Errorf("stream %d began at 0: %v", i+1, src.offsets)
		}
	}
}

// TestRereaderVerifies has bytes that change between two streams.
func TestRereaderVerifies(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	d := image.Describe("", content)
	for name, change := range map[string]int{"before the place": 5, "behind the place": 5 << 19} {
		t.Run(name, func(t *testing.T) {
			src := &asked{content: bytes.Clone(content)}
			src.content[change] ^= 1
			r := image.NewRereader(src, d)
			first, _ := r.Open(t.Context(), 0)
			io.CopyN(io.Discard, first, 2<<20)
			if change > 2<<20 {
				first.Close()
			} else {
				src.content[change] ^= 1 // what was given out is still wrong
			}
			second, at := r.Open(t.Context(), 2<<20)
			defer second.Close()
			if at == 0 {
				t.Fatal("it begins at 0")
			}
			if _, err := io.Copy(io.Discard, first); change < 2<<20 && err == nil {
				t.Error("the first stream ends well")
			}
			if _, err := io.Copy(io.Discard, second); !errors.Is(err, image.ErrIntegrity) {
				t.Errorf("the second stream ends with %v", err)
			}
			third, _ := r.Open(t.Context(), 0)
			defer third.Close()
			src.content = content
			if n, err := io.Copy(io.Discard, third); err != nil || n != d.Size {
				t.Errorf("from the beginning: %d bytes, %v", n, err)
			}
		})
	}
}

func TestRereaderOfNothing(t *testing.T) {
	r := image.NewRereader(&asked{}, image.Describe("", nil))
	stream, at := r.Open(t.Context(), 0)
	if got, err := io.ReadAll(stream); at != 0 || err != nil || len(got) > 0 {
		t.Errorf("%d, %q, %v", at, got, err)
	}
	r = image.NewRereader(&asked{}, v1.Descriptor{Digest: digest.Digest("sha256:x"), Size: 1})
	if stream, _ = r.Open(t.Context(), 5); stream == nil {
		t.Fatal("no stream")
	}
	if _, err := io.ReadAll(stream); err == nil {
		t.Error("a digest that is none can be read")
	}
}
