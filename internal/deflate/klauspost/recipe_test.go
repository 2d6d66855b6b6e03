package klauspost_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"

	"drayage/internal/deflate"
	"drayage/internal/deflate/klauspost"
)

// What the library that drayage has writes needs no corrections, and comes back to the bit.
func TestRecipes(t *testing.T) {
	content := klauspost.Mixed(11, 3<<20)
	for name, compress := range map[string]func(io.Writer) io.WriteCloser{
		"pgzip":     func(w io.Writer) io.WriteCloser { return pgzip.NewWriter(w) },
		"klauspost": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	} {
		var blob, plain, recipe bytes.Buffer
		w := compress(&blob)
		w.Write(content)
		w.Close()
		in := bytes.NewReader(blob.Bytes())
		made, err := deflate.Make(t.Context(), in, &plain, &recipe, deflate.MakeOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if made.Corrections > 0 || made.Recipe > 200 { // Go 1.27 writes some of it, too
			t.Errorf("%s: made %+v", name, made)
		}
		r, err := deflate.Open(bytes.NewReader(recipe.Bytes()), int64(recipe.Len()), &plain, made.Unpacked)
		if err != nil {
			t.Fatal(err)
		}
		again, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(again, blob.Bytes()) {
			t.Errorf("%s: the blob comes back otherwise: %v", name, err)
		}
		r.Close()
	}
}
