package pack_test

import (
	"io"
	"os"
	"testing"

	"drayage/internal/pack"
)

// BenchmarkPack compresses the beginning of this program, which compresses as what images hold, as push
// does it. B/op tells how well buffers are used again, "ratio" how small the content becomes.
func BenchmarkPack(b *testing.B) {
	content := machineCode(b)
	for _, method := range []struct {
		name string
		open func(io.Writer) (*pack.Writer, error)
	}{
		{"gzip-4", func(w io.Writer) (*pack.Writer, error) { return pack.NewGzip(w, 4, 1<<20) }},
		{"gzip-6", func(w io.Writer) (*pack.Writer, error) { return pack.NewGzip(w, 6, 1<<20) }},
		{"zstd-1", func(w io.Writer) (*pack.Writer, error) { return pack.NewZstd(w, 1, 512<<10) }},
		{"zstd-3", func(w io.Writer) (*pack.Writer, error) { return pack.NewZstd(w, 3, 512<<10) }},
	} {
		b.Run(method.name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			var out countingWriter
			for b.Loop() {
				out = 0
				w, err := method.open(&out)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.Write(content); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out)/float64(len(content)), "ratio")
		})
	}
}

func machineCode(b *testing.B) []byte {
	b.Helper()
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return content[:min(len(content), 16<<20)]
}

type countingWriter int64

// Write implements io.Writer.
func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}
