package upload_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/registry"
	"drayage/upload"
)

// BenchmarkPush sends a saved tar to a registry over loopback: read, verified, compressed, hashed and sent
// in one pass.
func BenchmarkPush(b *testing.B) {
	content, err := os.ReadFile(os.Args[0]) // this program: content that compresses as what images hold
	if err != nil {
		b.Fatal(err)
	}
	content = content[:min(len(content), 8<<20)]
	for _, kind := range []string{compression.Gzip, compression.Zstd, compression.None} {
		b.Run(string(kind), func(b *testing.B) {
			saved := savedLayers(b, content, content[1:])
			b.SetBytes(2 * int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				pushOnce(b, saved, upload.Options{Compression: upload.Compression{Kind: kind}})
			}
		})
	}
}

func pushOnce(b *testing.B, saved dockerarchive.SavedImage, opts upload.Options) {
	server := httptest.NewServer(http.HandlerFunc(swallow))
	defer server.Close()
	client := &registry.Client{Transport: registry.NewTransport(nil), PlainHTTP: true}
	defer client.Close()
	ref, err := registry.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/bench:1")
	if err != nil {
		b.Fatal(err)
	}
	target := upload.Target{Repository: client.Repository(ref), Tag: ref.Tag, Saved: &saved}
	results, err := upload.Push(b.Context(), []upload.Target{target}, opts)
	if err != nil || results[0].Err != nil {
		b.Fatal(err, results)
	}
}

// swallow is a registry that takes everything and keeps nothing, so that what is allocated is the client's.
func swallow(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"session")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPatch:
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Location", r.URL.Path)
		w.Header().Set("Range", fmt.Sprintf("0-%d", n-1))
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}
}

// savedLayers is an image of a docker-save tar in memory.
func savedLayers(b *testing.B, contents ...[]byte) dockerarchive.SavedImage {
	b.Helper()
	var ids []digest.Digest
	var names []string
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, content []byte) {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		w.Write(content)
	}
	for i, content := range contents {
		ids = append(ids, digest.FromBytes(content))
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		add(names[i], content)
	}
	rootfs := map[string]any{"type": "layers", "diff_ids": ids}
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "rootfs": rootfs})
	if err != nil {
		b.Fatal(err)
	}
	name := digest.FromBytes(config).Encoded() + ".json"
	add(name, config)
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "Layers": names}})
	if err != nil {
		b.Fatal(err)
	}
	add("manifest.json", manifest)
	w.Close()
	archive, err := dockerarchive.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		b.Fatal(err)
	}
	images, err := archive.Images(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return images[0]
}
