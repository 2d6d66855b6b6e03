package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// A proxy may compress what nobody asked it to: answers in JSON and blobs are read all the same.
func TestWild52CompressedOnTheWay(t *testing.T) {
	inBubble(t, func(w *world) {
		tokens := &fakeregistry.Tokens{}
		auth := fakeregistry.New()
		auth.On(fakeregistry.Match{}, fakeregistry.Gzip())
		auth.On(fakeregistry.Match{}, func(http.Handler) http.Handler { return tokens })
		w.serve("auth.test:80", auth)
		w.reg.RequireToken(tokens, "http://auth.test/token")
		w.reg.PutImage("app", "1", oneLayer)
		want, _ := w.reg.Tag("app", "1")
		w.reg.On(fakeregistry.Match{Method: "GET"}, fakeregistry.Gzip())
		got, raw, err := w.repo("app").Resolve(w.Context(), "1")
		if err != nil || got.Digest != want.Digest || !bytes.Equal(raw, w.reg.Manifest("app", want.Digest)) {
			w.Errorf("manifest: %+v, %v", got, err)
		}
		if _, _, err := w.repo("app").Resolve(w.Context(), want.Digest.String()); err != nil {
			w.Errorf("manifest by digest: %v", err)
		}
		if tags, err := w.repo("app").Tags(w.Context()); err != nil || len(tags) != 1 {
			w.Errorf("tags %q, %v", tags, err)
		}
		for _, size := range []int{10, 2000, 5 << 20} {
			content := bytes.Repeat([]byte("x"), size)
			d := w.reg.PutBlob("app", content)
			d.MediaType = v1.MediaTypeImageConfig
			if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
				w.Errorf("blob of %d bytes: %d, %v", size, len(got), err)
			}
		}
	})
}

// Bytes that are stored compressed are often said to have been compressed for the way.
func TestWild52SaidToBeCompressed(t *testing.T) {
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"a": "b"})).Content
	for name, content := range map[string][]byte{"gzip": layer, "something else": []byte("a configuration")} {
		for _, encoding := range []string{"gzip", "x-gzip", "GZIP"} {
			for _, length := range []string{"known", "unknown"} {
				t.Run(fmt.Sprint(name, " ", encoding, " ", length), func(t *testing.T) {
					inBubble(t, func(w *world) {
						d := w.reg.PutBlob("app", content)
						d.MediaType = v1.MediaTypeImageLayerGzip
						w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Encoding", encoding))
						if length == "unknown" {
							w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Length", ""))
						}
						if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
							w.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
						}
					})
				})
			}
		}
	}
}

// What a bomb unpacks to is bounded like everything else.
func TestWild52CompressedBomb(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		bomb := func([]byte) []byte { return bytes.Repeat([]byte(" "), 64<<20) }
		w.reg.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Gzip())
		w.reg.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Rewrite(bomb))
		if err := w.resolve("app"); err == nil {
			w.Error("it was taken")
		}
	})
}
