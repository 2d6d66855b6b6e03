//go:build linux

package reliability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

const (
	blobUnknown   = `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}`
	uploadInvalid = `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid"}]}`
)

var pushCases = []trouble{
	{21, "416 within an upload in chunks", "begins that blob again", "", []fault{
		{name: "416 for the second chunk", run: pushInChunksOver(fakeregistry.Match{Method: http.MethodPatch,
			First: 2, Count: 1}, fakeregistry.Status(416))},
	}},
	{22, "the upload session is lost or somewhere else", "begins that blob again; does not disturb others", "",
		[]fault{
			{name: "404 in the middle", run: pushOver(sends(1),
				fakeregistry.Answer(404, blobUnknown, "Content-Type", "application/json"))},
			{name: "400 in the middle", run: pushOver(sends(1),
				fakeregistry.Answer(400, uploadInvalid, "Content-Type", "application/json"))},
			{name: "404 for the commit", run: pushOver(fakeregistry.Match{Method: http.MethodPut, Path: "/uploads/",
				Count: 1}, fakeregistry.Answer(404, blobUnknown, "Content-Type", "application/json"))},
			{name: "all sessions forgotten", run: pushForgotten},
		}},
	{23, "upload Location relative, absolute, with a query, missing, http on https, on another host",
		"resolves it against the request and keeps its query; never goes from https to http; sends no secrets to " +
			"another host", "", []fault{
			{name: "relative, with a query that must stay as it is", run: pushToLocation(nil)},
			{name: "absolute", run: pushToLocation(func(s *site) func(*http.Request, string) string {
				return func(_ *http.Request, path string) string { return s.URL() + path }
			})},
			{name: "http on https", only: true, run: pushToLocation(func(s *site) func(*http.Request, string) string {
				return func(_ *http.Request, path string) string { return "http://" + s.Addr() + path }
			})},
			{name: "missing", run: pushFails(fakeregistry.Match{Method: http.MethodPost, Path: "/uploads/"},
				fakeregistry.Header("Location", ""), "Location")},
		}},
	{24, "mount refused or claimed wrongly", "sends the blob instead", "", mountFaults()},
	{25, "the connection breaks in an upload, or the answer is lost",
		"asks whether the blob is there and sends it again if not", "", []fault{
			{name: "in the first half", run: pushOver(sends(2), fakeregistry.CutBody(10<<10))},
			{name: "before the first byte", run: pushOver(sends(2), fakeregistry.Abort(0))},
			{name: "content stored, answer lost", run: pushOver(sends(1), fakeregistry.LoseAnswer())},
			{name: "commit done, answer lost", run: pushOver(fakeregistry.Match{Method: http.MethodPut,
				Path: "/uploads/", Count: 1}, fakeregistry.LoseAnswer())},
			{name: "manifest stored, answer lost", run: pushOver(fakeregistry.Match{Method: http.MethodPut,
				Path: "/manifests/", Count: 1}, fakeregistry.LoseAnswer())},
			{name: "a registry that is silent for ever, once", waits: true, run: pushOverSilence},
		}},
	{26, "the registry claims a blob that it does not have",
		"sends the blobs that the refused manifest misses, once, and then the manifest", "", []fault{
			{name: "HEAD says yes to everything", run: pushOver(fakeregistry.Match{Method: http.MethodHead,
				Path: "/blobs/", Count: 4}, fakeregistry.Answer(200, "", "Content-Length", "1"))},
		}},
	{27, "413 from a proxy, minimum chunk lengths, no PATCH",
		"sends smaller chunks, at least as long as the registry wants, and remembers the size for the host; " +
			"sends whole blobs without PATCH", "", []fault{
			{name: "a proxy that lets a megabyte through", run: pushThroughProxy(1 << 20)},
			{name: "at least 2 MiB in a chunk", run: pushWithLeastChunk},
			{name: "a least chunk of 2 GiB", run: pushFails(fakeregistry.Match{Method: http.MethodPost,
				Path: "/uploads/"}, fakeregistry.Header("OCI-Chunk-Min-Length", "2147483648"), "chunk")},
			{name: "no PATCH", run: pushOver(fakeregistry.Match{Func: isPatchOrWhole}, refusePatch)},
			{name: "no PATCH, and a tar from standard input", run: pushPipedWithoutPatch},
		}},
}

// sends matches the first n requests that carry the content of blobs.
func sends(n int) fakeregistry.Match {
	return fakeregistry.Match{Count: n, Func: func(r *http.Request) bool {
		return (r.Method == http.MethodPut || r.Method == http.MethodPatch) &&
			strings.Contains(r.URL.Path, "/uploads/") && r.ContentLength != 0
	}}
}

// sources writes an image as a layout and as a saved tar, and returns their names.
func (t *try) sources(name string, img *image) []string {
	t.layout("images", name, img)
	t.write("image.tar", img.saved(name))
	return []string{"images", "image.tar"}
}

// layout adds an image to a layout that no drayage has written.
func (t *try) layout(dir, name string, img *image) {
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	if t.exists(dir + "/index.json") {
		must(json.Unmarshal(t.read(dir+"/index.json"), &index))
	}
	index.SchemaVersion = 2
	d := img.desc
	d.Annotations = map[string]string{annotationName: name,
		v1.AnnotationRefName: name[strings.LastIndex(name, ":")+1:]}
	index.Manifests = append(index.Manifests, d)
	for _, blob := range append(img.blobs(), img.manifest) {
		t.write(dir+"/blobs/sha256/"+describe("", blob).Digest.Encoded(), blob)
	}
	t.write(dir+"/index.json", imagetest.Encode(index))
	t.write(dir+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// pushOver pushes a layout and a saved tar while requests meet a fault, and checks what has arrived.
func pushOver(m fakeregistry.Match, f fakeregistry.Fault) func(*try) {
	return func(t *try) {
		img := newImage("pushed")
		var sent []string
		for _, source := range t.sources("docker.io/library/app:1", img) {
			s := t.registry()
			s.On(m, f)
			t.must("push", source, s.ref("app:1"))
			s.struck(1)
			t.arrived(s, "app", "1", img)
			sent = append(sent, fmt.Sprintf("%d KiB", max(s.Received("", "/uploads/")-img.weight(), 0)>>10))
		}
		t.note("sent again: %s from a layout, %s from a tar", sent[0], sent[1])
	}
}

// arrived checks by another fetch what a push has stored: of a saved tar, layers may be compressed otherwise.
func (t *try) arrived(s *site, name, tag string, img *image) {
	s.Heal()
	m, err := s.repo(name).Manifest(t.Context(), tag)
	if err != nil {
		t.Fatalf("the image is not there: %v", err)
	}
	if m.Digest == img.desc.Digest {
		s.served(name, tag, img)
		return
	}
	file := fmt.Sprintf("check%s.tar", m.Digest.Encoded()[:8])
	t.must("save", s.ref(name+":"+tag), "-o", file)
	t.savedAs(file, img)
}

func pushInChunksOver(m fakeregistry.Match, f fakeregistry.Fault) func(*try) {
	return func(t *try) {
		img := newImage("chunks", 9<<20, 10<<10)
		for _, source := range t.sources("docker.io/library/app:1", img) {
			s := t.registry()
			s.On(m, f)
			s.On(fakeregistry.Match{Func: larger(5 << 20)}, fakeregistry.Early(413))
			t.must("push", source, s.ref("app:1"))
			s.struck(1)
			t.arrived(s, "app", "1", img)
		}
	}
}

// larger matches requests that carry more than n bytes, or do not say how many.
func larger(n int64) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/uploads/") && (r.ContentLength > n || r.ContentLength < 0)
	}
}

func pushForgotten(t *try) {
	img := newImage("pushed")
	for _, source := range t.sources("docker.io/library/app:1", img) {
		s, reg := t.fake()
		s.On(sends(1), reg.Forget())
		t.must("push", source, s.ref("app:1"), "-j", "1")
		s.struck(1)
		t.arrived(s, "app", "1", img)
	}
}

func pushToLocation(location func(*site) func(*http.Request, string) string) func(*try) {
	return func(t *try) {
		img := newImage("pushed")
		for _, source := range t.sources("docker.io/library/app:1", img) {
			s, reg := t.fake()
			if location != nil {
				reg.Location = location(s)
			}
			t.must("push", source, s.ref("app:1"))
			t.arrived(s, "app", "1", img)
		}
	}
}

// pushFails pushes in vain. Nothing may be named by the tag afterwards.
func pushFails(m fakeregistry.Match, f fakeregistry.Fault, says ...string) func(*try) {
	return func(t *try) {
		img := newImage("pushed")
		for _, source := range t.sources("docker.io/library/app:1", img) {
			s := t.registry()
			s.On(m, f)
			t.bounded(t.fails([]int{exitOther, exitNetwork}, says, "push", source, s.ref("app:1")))
			s.struck(1)
			s.unnamed("app", "1")
		}
	}
}

func mountFaults() (all []fault) {
	for _, f := range []struct {
		name  string
		fault fakeregistry.Fault
	}{
		{"400", fakeregistry.Status(400)}, {"403", fakeregistry.Status(403)}, {"405", fakeregistry.Status(405)},
		{"500", fakeregistry.Status(500)},
		{"202 without Location", fakeregistry.Status(202)}, {"201 without the blob", fakeregistry.Status(201)},
	} {
		all = append(all, fault{name: f.name, run: func(t *try) {
			img := newImage("mounted")
			t.layout("images", "docker.io/library/one:1", img)
			t.layout("images", "docker.io/library/two:1", img)
			s := t.registry()
			s.On(fakeregistry.Match{Method: http.MethodPost, Func: func(r *http.Request) bool {
				return r.URL.Query().Get("mount") != ""
			}}, f.fault)
			t.must("push", "images", s.ref("mirror/"))
			s.struck(1)
			s.served("mirror/library/one", "1", img)
			s.served("mirror/library/two", "1", img)
		}})
	}
	return all
}

func pushThroughProxy(most int64) func(*try) {
	return func(t *try) {
		img := newImage("chunks", 6<<20, 3<<20)
		for _, source := range t.sources("docker.io/library/app:1", img) {
			s := t.registry()
			s.On(fakeregistry.Match{Func: larger(most)}, fakeregistry.Early(413))
			t.must("push", source, s.ref("app:1"))
			s.struck(1)
			t.arrived(s, "app", "1", img)
		}
	}
}

func pushWithLeastChunk(t *try) {
	const least = 2 << 20
	img := newImage("chunks", 9<<20)
	s := t.registry()
	s.On(fakeregistry.Match{Func: larger(5 << 20)}, fakeregistry.Early(413))
	s.On(fakeregistry.Match{Method: http.MethodPost, Path: "/uploads/"},
		fakeregistry.Header("OCI-Chunk-Min-Length", fmt.Sprint(least)))
	t.layout("images", "docker.io/library/app:1", img)
	t.must("push", "images", s.ref("app:1"))
	small := map[string]bool{} // by upload: a small chunk, after which none may come
	for _, e := range s.Requests(http.MethodPatch, "/uploads/") {
		if e.Status/100 != 2 {
			continue
		}
		if small[e.Path] {
			t.Errorf("a chunk of %s was smaller than the least, and not the last", e.Path)
		}
		small[e.Path] = e.Received < least
	}
	s.served("app", "1", img)
}

// isPatchOrWhole matches what carries content, so that the rule strikes for both sources.
func isPatchOrWhole(r *http.Request) bool {
	return (r.Method == http.MethodPatch || r.Method == http.MethodPut) &&
		strings.Contains(r.URL.Path, "/uploads/")
}

func refusePatch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func pushPipedWithoutPatch(t *try) {
	img := newImage("pushed", 12<<20, 10<<10) // more than is held in memory
	s := t.registry()
	s.On(fakeregistry.Match{Func: isPatchOrWhole}, refusePatch)
	if r := t.feed(struct{ io.Reader }{bytes.NewReader(img.saved("docker.io/library/app:1"))}, "push", "-",
		s.ref("app:1")); r.code != 0 {
		t.Fatalf("%s", r)
	}
	t.arrived(s, "app", "1", img)
}

func pushOverSilence(t *try) {
	img := newImage("pushed")
	s := t.registry()
	s.On(fakeregistry.Match{Method: http.MethodPost, Path: "/uploads/", Count: 1}, fakeregistry.Hang())
	t.must("push", t.sources("docker.io/library/app:1", img)[0], s.ref("app:1"))
	s.struck(1)
	t.arrived(s, "app", "1", img)
}
