package layout_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"drayage/image"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// BenchmarkPush is the way of a blob into a directory: verified, synced and renamed. The small one shows
// what each file costs.
func BenchmarkPush(b *testing.B) {
	for name, size := range map[string]int{"16MB": 16 << 20, "4kB": 4 << 10} {
		b.Run(name, func(b *testing.B) {
			content := make([]byte, size)
			rand.NewChaCha8([32]byte{1}).Read(content)
			desc := image.Describe("", content)
			path := b.TempDir()
			dir, err := layout.CreateDir(b.Context(), path)
			if err != nil {
				b.Fatal(err)
			}
			defer dir.Close()
			src := &tt.Source{Content: content}
			blob := filepath.Join(path, "blobs", "sha256", desc.Digest.Encoded())
			b.SetBytes(desc.Size)
			b.ReportAllocs()
			for b.Loop() {
				if err := dir.Push(b.Context(), desc, src, nil); err != nil {
					b.Fatal(err)
				}
				if err := os.Remove(blob); err != nil { // a blob that is there would not be read
					b.Fatal(err)
				}
			}
		})
	}
}
