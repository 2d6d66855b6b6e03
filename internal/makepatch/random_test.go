package makepatch_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/internal/makepatch"
)

// dice makes layers that change at random, and packs them with encoders at random.
type dice struct {
	*rand.Rand
	t *testing.T
}

func (r dice) bytes(n int) []byte {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	return raw
}

// body is noise, text or zeros.
func (r dice) body() string {
	n := r.IntN(60_000)
	switch r.IntN(5) {
	case 0:
		return string(r.bytes(n))
	case 1:
		return strings.Repeat("\x00", n)
	}
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "word%d ", r.IntN(1+r.IntN(3000)))
	}
	return b.String()
}

// tree is at least so many bytes of files that a patch is tried.
func (r dice) tree() map[string]string {
	files := map[string]string{}
	for size := 0; size < 700_000; {
		body := r.body()
		files[fmt.Sprintf("dir%d/file%d", r.IntN(9), len(files))] = body
		size += len(body)
	}
	return files
}

// changed is the tree with files that are edited, renamed, removed and added.
func (r dice) changed(files map[string]string) map[string]string {
	out := maps.Clone(files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		body := files[name]
		at := r.IntN(len(body) + 1)
		switch r.IntN(12) {
		case 0:
			out[name] = body[:at] + string(r.bytes(r.IntN(9))) + body[min(len(body), at+r.IntN(9)):]
		case 1:
			delete(out, name)
			out["renamed/"+name] = body
		case 2:
			delete(out, name)
		case 3:
			out["new/"+name] = r.body()
		}
	}
	return out
}

// pack writes the content to an encoder in pieces of any size.
func (r dice) pack(content []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	var b bytes.Buffer
	w, err := open(&b)
	for rest := content; err == nil && len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(1<<17))
		_, err = w.Write(rest[:n])
		rest = rest[n:]
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return b.Bytes()
}

// layer packs a tar in any way that images have.
func (r dice) layer(content []byte) (string, imagetest.Layer) {
	l := imagetest.Layer{MediaType: v1.MediaTypeImageLayerGzip, DiffID: digest.FromBytes(content)}
	level := r.IntN(12) - 2
	kind := [...]string{"go", "klauspost", "pgzip", "members", "flushed", "tail", "plain"}[r.IntN(7)]
	golang := func(w io.Writer) (io.WriteCloser, error) {
		z, err := gzip.NewWriterLevel(w, level)
		if err == nil && r.IntN(3) == 0 {
			z.Name, z.Comment, z.Extra = "layer.tar", "a comment", []byte("extra")
		}
		return z, err
	}
	switch kind {
	case "go":
		l.Content = r.pack(content, golang)
	case "klauspost":
		l.Content = r.pack(content, func(w io.Writer) (io.WriteCloser, error) {
			return kgzip.NewWriterLevel(w, level)
		})
	case "pgzip":
		l.Content = r.pack(content, func(w io.Writer) (io.WriteCloser, error) {
			return pgzip.NewWriterLevel(w, level)
		})
	case "members": // as eStargz has it
		for part := range slices.Chunk(content, 1+r.IntN(200_000)) {
			l.Content = append(l.Content, r.pack(part, golang)...)
		}
	case "flushed": // as a builder that streams may write
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, level)
		for part := range slices.Chunk(content, 1+r.IntN(200_000)) {
			w.Write(part)
			w.Flush()
		}
		w.Close()
		l.Content = b.Bytes()
	case "tail":
		l.Content = append(r.pack(content, golang), make([]byte, r.IntN(5000))...)
	case "plain":
		l.Content, l.MediaType, level = content, v1.MediaTypeImageLayer, 0
	}
	return fmt.Sprintf("%s %d", kind, level), l
}

// TestRandomUpdates makes patches of random layers that any encoder has packed, against older ones that any
// other has. Whatever comes as a patch has the same bytes on the far side.
// DRAYAGE_UPDATES says how many to try.
func TestRandomUpdates(t *testing.T) {
	seeds := 4
	if text := os.Getenv("DRAYAGE_UPDATES"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal("DRAYAGE_UPDATES is how many updates to try: ", err)
		}
	}
	patches := 0
	for seed := range uint64(seeds) {
		r := dice{rand.New(rand.NewPCG(14+seed, 3)), t}
		w := newWorld(t)
		files := r.tree()
		was, base := r.layer(imagetest.Tar(files))
		w.older("corp.test/app:1", base)
		is, layer := r.layer(imagetest.Tar(r.changed(files)))
		im := w.image("corp.test/app:2", layer)
		all, err := makepatch.Make(t.Context(), []*image.Image{im}, w.options(w.unnamed()))
		if err != nil {
			t.Fatalf("seed %d, %s to %s: %v", seed, was, is, err)
		}
		for _, o := range all {
			t.Logf("seed %d: %s to %s: of %d bytes saved %d %s", seed, was, is, len(layer.Content), o.Saved(),
				o.Reason)
		}
		patches += len(im.Absent)
		if w.rebuilt(im); t.Failed() {
			t.Fatalf("seed %d, %s to %s", seed, was, is)
		}
	}
	if patches < seeds/2 {
		t.Errorf("only %d layers became patches", patches)
	}
}
