package deflate

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"drayage/internal/deflate/coding"
)

// benchmarked is content like that of a layer, and the blob that a model makes of it.
func benchmarked(b *testing.B, name string) (content, blob []byte, models []coding.Model) {
	for i := range 12 {
		content = append(content, text(uint64(i), 1<<20)...)
		content = append(content, noise(uint64(i), 1<<18)...)
	}
	models = Models()
	i := slices.IndexFunc(models, func(m coding.Model) bool { return m.Name() == name })
	if i < 0 {
		b.Skipf("no model %q", name)
	}
	var out bytes.Buffer
	if err := Compress(b.Context(), Encoder{model: models[i]}, &out, bytes.NewReader(content)); err != nil {
		b.Fatal(err)
	}
	return content, out.Bytes(), models[i : i+1]
}

var benchmarkedNames = []string{"Go -6", "Go -1", "Go -9", "zlib -6", "zlib -9", "pigz -9"}

func BenchmarkMake(b *testing.B) {
	for _, name := range benchmarkedNames {
		b.Run(name, func(b *testing.B) {
			content, blob, _ := benchmarked(b, name)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				_, err := Make(b.Context(), bytes.NewReader(blob), io.Discard, io.Discard, MakeOptions{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, name := range benchmarkedNames {
		b.Run(name, func(b *testing.B) {
			content, blob, models := benchmarked(b, name)
			var recipe bytes.Buffer
			o := MakeOptions{Models: models}
			if _, err := Make(b.Context(), bytes.NewReader(blob), io.Discard, &recipe, o); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				r, err := Open(bytes.NewReader(recipe.Bytes()), int64(recipe.Len()), bytes.NewReader(content),
					int64(len(content)))
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(blob)) {
					b.Fatal(n, err)
				}
				r.Close()
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	content, blob, _ := benchmarked(b, "Go -6")
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		in := newBitReader(bytes.NewReader(blob))
		if _, err := readMember(in); err != nil {
			b.Fatal(err)
		}
		f := &feed{}
		p := inflater{in: in, f: f}
		for !f.ended {
			if err := p.decode(readAtOnce); err != nil {
				b.Fatal(err)
			}
			f.drop(f.end() - coding.Window)
			f.take(f.end(), false)
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, name := range benchmarkedNames {
		b.Run(name, func(b *testing.B) {
			content, _, models := benchmarked(b, name)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				e := Encoder{model: models[0]}
				if err := Compress(b.Context(), e, io.Discard, bytes.NewReader(content)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
