package layout_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// laned is a source of several streams that tells where it was opened.
type laned struct {
	content []byte
	first   int64
}

func (l *laned) Lane() func() { return nil }

func (l *laned) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if l.first < 0 {
		l.first = offset
	}
	end := int64(len(l.content))
	if length >= 0 {
		end = min(end, offset+length)
	}
	return io.NopCloser(bytes.NewReader(l.content[offset:end])), nil
}

// A partial that was written out of order when the process was killed is gone on with from its mark, not from its size.
func TestMark(t *testing.T) {
	content := make([]byte, 20<<20)
	rand.NewChaCha8([32]byte{3}).Read(content)
	d := v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	for name, c := range map[string]struct {
		mark []byte
		from int64
	}{
		"at 5 MiB": {binary.LittleEndian.AppendUint64(nil, 5<<20), 5 << 20},
		"too far":  {binary.LittleEndian.AppendUint64(nil, 1<<40), 0}, // the hole makes it wrong: everything again
		"torn":     {[]byte{1, 2}, 0},
		"none":     {nil, 0},
		"negative": {bytes.Repeat([]byte{0xff}, 8), 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := layout.CreateDir(t.Context(), filepath.Join(t.TempDir(), "l"))
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			partial := filepath.Join(dir.Path(), ".drayage", "partial", "sha256-"+d.Digest.Encoded())
			holed := bytes.Clone(content[:16<<20])
			clear(holed[5<<20 : 9<<20])
			if err := os.WriteFile(partial, holed, 0o644); err != nil {
				t.Fatal(err)
			}
			if c.mark != nil {
				if err := os.WriteFile(partial+".mark", c.mark, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			src := &laned{content: content, first: -1}
			if err := dir.Push(t.Context(), d, src, nil); err != nil {
				t.Fatal(err)
			}
			if c.from > 0 && src.first != c.from {
				t.Errorf("went on at %d, want %d", src.first, c.from)
			}
			if got, err := os.ReadFile(filepath.Join(dir.Path(), "blobs", "sha256", d.Digest.Encoded())); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the blob has %d bytes, %v", len(got), err)
			}
			if left, _ := os.ReadDir(filepath.Dir(partial)); len(left) != 0 {
				t.Errorf("%s is left", left[0].Name())
			}
		})
	}
}
