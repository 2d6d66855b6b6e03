package transfer_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/transfer"
	tt "drayage/internal/transfertest"
)

func BenchmarkReader(b *testing.B) {
	content, d := tt.Blob(8 << 20)
	src := &tt.Source{Content: content}
	buf := make([]byte, 256<<10)
	b.SetBytes(d.Size)
	b.ReportAllocs()
	for b.Loop() {
		r := image.NewReader(b.Context(), src, d)
		n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, buf)
		if n != d.Size || err != nil {
			b.Fatal(n, err)
		}
		r.Close()
	}
}

// BenchmarkFill writes into a real file, without syncing it, by one stream and in ranges.
func BenchmarkFill(b *testing.B) {
	content, d := tt.Blob(64 << 20)
	for _, c := range []struct {
		name string
		src  image.Source
	}{
		{"one", &tt.Source{Content: content}},
		{"extra streams", newParallel(content, 16)},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "blob"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(d.Size)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := transfer.Fill(b.Context(), c.src, d, marks.NewPart(f, 0, d.Size, nil), nil); n != d.Size ||
					err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
