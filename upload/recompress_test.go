package upload_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/verify"
	"drayage/upload"
)

// What no registry has a media type for is compressed anew: the layer is what for i in $(seq 64); do echo
// 0123456789abcde; done prints.
func TestSavedRecompresses(t *testing.T) {
	lines := strings.Repeat("0123456789abcde\n", 64)
	for name, stored := range map[string]string{
		"xz": "fd377a585a000004e6d6b446020021011c00000010cf58cc" +
			"e003ff001c5d00180c42926a67bc0ed1332ce4cc4229c04f0e56d5ffe29f812e10c50000" +
			"cd0510003564b10b000138800800000060c92e5fb1c467fb020000000004595a",
		"bzip2": "425a6839314159265359efb0844200003fc90000107fe03e00200070530004d0" +
			"2aa02602674088120260500a81f01602e0600c81a0360700fc0e81e177245385090efb084420",
	} {
		raw, err := hex.DecodeString(stored)
		if err != nil {
			t.Fatal(err)
		}
		onSite(t, func(s *site) {
			right := fakeregistry.Layer{Content: raw, DiffID: digest.FromString(lines)}
			target := s.to("app:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{right}})[0]
			s.good(upload.Options{}, target)
			d := s.manifestAt("app", "1").Layers[0]
			z, err := gzip.NewReader(bytes.NewReader(s.reg.Blob("app", d.Digest)))
			if err != nil || d.MediaType != image.DockerLayer {
				s.Fatalf("%s: pushed as %s: %v", name, d.MediaType, err)
			}
			if got, err := io.ReadAll(z); err != nil || string(got) != lines {
				s.Errorf("%s: %d bytes, %v", name, len(got), err)
			}

			wrong := fakeregistry.Layer{Content: raw, DiffID: digest.FromString("x")}
			target = s.to("wrong:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{wrong}})[0]
			if err := s.push(upload.Options{}, target)[0].Err; !errors.Is(err, verify.ErrMismatch) {
				s.Errorf("%s with another diff ID: %v", name, err)
			}
		})
	}
}
