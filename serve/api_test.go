package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

func TestBase(t *testing.T) {
	tr := start(t)
	for _, path := range []string{"/v2/", "/v2"} {
		r := tr.get(t, path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	for _, path := range []string{"/", "/v1/", "/v2x", "/v2/x", "/v2/x/y", "/v2/x/blobs/uploads/",
		"/v2/tags/list", "/v2/x/tags/other", "/v2/manifests/1", "/v2/_catalog/x", "/v2//manifests/1"} {
		if r := tr.get(t, path); r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, r.Status)
		} else {
			r.failure(t)
		}
	}
}

func TestReadOnly(t *testing.T) {
	tr := start(t, called("s", "a.io/x:1"))
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
		for _, path := range []string{"/v2/", "/v2/a.io/x/manifests/1", "/v2/a.io/x/blobs/uploads/", "/v2/..//"} {
			r := tr.do(t, method, path)
			code, _ := r.failure(t)
			if r.StatusCode != http.StatusMethodNotAllowed || code != codeUnsupported ||
				r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s, %s, %q", method, path, r.Status, code, r.Header.Get("Allow"))
			}
		}
	}
}

func TestManifestTypes(t *testing.T) {
	content := newContent()
	shelf := Shelf{Content: content}
	put := func(raw, listed string) digest.Digest {
		d := content.Put("", []byte(raw))
		shelf.Images = append(shelf.Images, Image{Root: v1.Descriptor{MediaType: listed, Digest: d.Digest}})
		return d.Digest
	}
	const config = `"config":{"mediaType":"a/b","digest":"sha256:` +
		`e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]`
	wants := map[digest.Digest]string{
		put(`{"mediaType":"`+image.DockerManifest+`",`+config+`}`, ""): image.DockerManifest,
		put(`{`+config+`}`, ""):                                      v1.MediaTypeImageManifest,
		put(`{`+config+`,"a":1}`, image.DockerManifest):              image.DockerManifest,
		put(`{"manifests":[]}`, ""):                                  v1.MediaTypeImageIndex,
		put(`{"manifests":[],"a":1}`, image.DockerManifestList):      image.DockerManifestList,
		put(`{"schemaVersion":1,"fsLayers":[],"signatures":[]}`, ""): image.Schema1Signed,
		put(`{"schemaVersion":1,"fsLayers":[]}`, ""):                 image.Schema1,
		put(`{"mediaType":"`+image.OCIArtifact+`","blobs":[]}`, ""):  image.OCIArtifact,
		put(`{"mediaType":"`+v1.MediaTypeImageIndex+`","manifests":[]}`,
			image.DockerManifestList): v1.MediaTypeImageIndex, // what it says itself counts
		put(`{"layer":"a blob"}`, ""): "",
		put("\x1f\x8b", ""):           "",
		put("", ""):                   "",
		put(strings.Repeat(" ", image.MaxManifestSize+1), ""): "",
	}
	shelf.Images = append(shelf.Images, Image{Names: []string{"r:1"}, Root: shelf.Images[0].Root})
	tr := start(t, shelf)
	for d, want := range wants {
		r := tr.get(t, "/v2/r/manifests/"+d.String())
		if want == "" {
			if code, _ := r.failure(t); r.StatusCode != http.StatusNotFound || code != codeManifestUnknown {
				t.Errorf("%.100q: %s, %s", content.Content[d], r.Status, r.body)
			}
			continue
		}
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want ||
			r.body != string(content.Content[d]) {
			t.Errorf("%.100q: %s, %q, not %q", content.Content[d], r.Status, r.Header.Get("Content-Type"), want)
		}
		h := tr.do(t, http.MethodHead, "/v2/r/manifests/"+d.String())
		if h.StatusCode != http.StatusOK || h.body != "" || h.ContentLength != int64(len(r.body)) ||
			h.Header.Get("Content-Type") != want || h.Header.Get("Docker-Content-Digest") != d.String() {
			t.Errorf("HEAD: %s, %d, %v", h.Status, h.ContentLength, h.Header)
		}
	}
}

func TestConditions(t *testing.T) {
	shelf := called("s", "r:1")
	tr := start(t, shelf)
	d := shelf.Images[0].Root.Digest
	for _, path := range []string{"/v2/r/manifests/1", "/v2/r/manifests/" + d.String(),
		"/v2/r/blobs/" + d.String()} {
		if got := tr.get(t, path).Header.Get("ETag"); got != etag(d) {
			t.Errorf("%s: ETag %s", path, got)
		}
		for header, want := range map[string]int{etag(d): 304, "*": 304, "W/" + etag(d): 304,
			`"x", ` + etag(d): 304, `"x"`: 200, d.String(): 200} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				r := tr.do(t, method, path, "If-None-Match", header)
				if r.StatusCode != want || r.Header.Get("ETag") != etag(d) || want == 304 && r.body != "" {
					t.Errorf("%s %s with %s: %s", method, path, header, r.Status)
				}
			}
		}
	}
}

func TestSHA512(t *testing.T) {
	content := newContent()
	raw := []byte(`{"manifests":[]}`)
	d := digest.SHA512.FromBytes(raw)
	content.Content[d] = raw
	tr := start(t, Shelf{Content: content, Images: []Image{{Names: []string{"r:1"},
		Root: v1.Descriptor{Digest: d, Size: int64(len(raw))}}}})
	for _, path := range []string{"/v2/r/manifests/1", "/v2/r/manifests/" + d.String(),
		"/v2/r/blobs/" + d.String()} {
		if r := tr.get(t, path); r.body != string(raw) || r.Header.Get("Docker-Content-Digest") != d.String() {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

func TestUnknown(t *testing.T) {
	tr := start(t, called("s", "r:1"))
	none := digest.FromString("none").String()
	for path, want := range map[string]string{
		"/v2/r/manifests/2":                          "404 " + codeManifestUnknown,
		"/v2/r/manifests/" + none:                    "404 " + codeManifestUnknown,
		"/v2/r/manifests/sha256:abc":                 "400 " + codeDigestInvalid,
		"/v2/r/manifests/-":                          "404 " + codeManifestUnknown,
		"/v2/r/blobs/" + none:                        "404 " + codeBlobUnknown,
		"/v2/r/blobs/1":                              "400 " + codeDigestInvalid,
		"/v2/r/blobs/md5:" + strings.Repeat("a", 32): "400 " + codeDigestInvalid,
		"/v2/r/referrers/1":                          "400 " + codeDigestInvalid,
		"/v2/q/manifests/1":                          "404 " + codeNameUnknown,
		"/v2/q/blobs/" + none:                        "404 " + codeNameUnknown,
		"/v2/q/referrers/" + none:                    "404 " + codeNameUnknown,
		"/v2/q/tags/list":                            "404 " + codeNameUnknown,
		"/v2/Q/tags/list":                            "400 " + codeNameInvalid,
	} {
		r := tr.get(t, path)
		if code, _ := r.failure(t); fmt.Sprint(r.StatusCode, " ", code) != want {
			t.Errorf("%s: %d %s, not %s", path, r.StatusCode, code, want)
		}
		if h := tr.do(t, http.MethodHead, path); h.StatusCode != r.StatusCode || h.body != "" {
			t.Errorf("HEAD %s: %s", path, h.Status)
		}
	}
}

// lacking is content that says why something is not there.
type lackingContent struct {
	shelfContent
	errs map[digest.Digest]error
}

func (c lackingContent) Stat(d digest.Digest) (v1.Descriptor, error) {
	if err := c.errs[d]; err != nil {
		return v1.Descriptor{}, err
	}
	return c.shelfContent.Stat(d)
}

func TestAbsent(t *testing.T) {
	content := lackingContent{newContent(), map[digest.Digest]error{}}
	foreign := v1.Descriptor{MediaType: image.DockerForeign + ".tar.gzip", Digest: digest.FromString("foreign"),
		Size: 7, URLs: []string{"https://example.com/layer"}}
	m, _ := json.Marshal(map[string]any{"mediaType": image.DockerManifest, "config": content.Put("a/b", nil),
		"layers": []v1.Descriptor{foreign}})
	root := content.Put("", m)
	left, other, broken := digest.FromString("left"), digest.FromString("other"), digest.FromString("broken")
	content.errs[left] = image.Absent{Part: image.PartLayer, Reason: image.LeftOut, Err: fs.ErrNotExist}
	content.errs[other] = fmt.Errorf("wrapped: %w", image.Absent{Reason: image.OtherPlatform})
	content.errs[broken] = errors.New("the stick is gone")
	tr := start(t, Shelf{Name: "thin.tar", Content: content,
		Images: []Image{{Names: []string{"r:1"}, Root: root}}}, called("second", "q:1"))
	tr.get(t, "/v2/r/manifests/1")
	for _, c := range []struct {
		path    string
		status  int
		message string
		reason  image.Reason
	}{
		{"blobs/" + left.String(), 404, "because the destination was known to have it", image.LeftOut},
		{"manifests/" + other.String(), 404, "it belongs to a platform that was not saved", image.OtherPlatform},
		{"blobs/" + foreign.Digest.String(), 404, `"https://example.com/layer" has it`, image.ForeignLayer},
		{"blobs/" + broken.String(), 500, "cannot be read here", 0},
	} {
		r := tr.get(t, "/v2/r/"+c.path)
		_, message := r.failure(t)
		e := tr.last(t)
		var absent image.Absent
		if r.StatusCode != c.status || !strings.HasSuffix(message, c.message) || e.Err == nil || e.Cut ||
			errors.As(e.Err, &absent) && absent.Reason != c.reason || e.Status != c.status {
			t.Errorf("%s: %s, %q, %+v", c.path, r.Status, message, e)
		}
	}
}

// page is an answer of _catalog or tags/list.
type page struct {
	Name         string
	Repositories []string
	Tags         []string
}

func (r reply) page(t *testing.T) (p page) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %q", r.Status, err, r.body)
	}
	return p
}

var linked = regexp.MustCompile(`^<(/v2/[^>]+)>; rel="next"$`)

func TestLists(t *testing.T) {
	var names, repositories, tags []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("a.io/r%02d:x", i), fmt.Sprintf("a.io/r:t%02d", i))
		repositories = append(repositories, fmt.Sprintf("a.io/r%02d", i))
		tags = append(tags, fmt.Sprintf("t%02d", i))
	}
	repositories = slices.Insert(repositories, 0, "a.io/r")
	slices.Reverse(names)
	tr := start(t, called("s", names...))
	for _, c := range []struct {
		path string
		all  []string
	}{{"/v2/_catalog", repositories}, {"/v2/r/tags/list", tags}} {
		for _, query := range []string{"", "?n=1000", "?n=99999999999999999999", "?n=26", "?last=", "?last=+"} {
			r := tr.get(t, c.path+query)
			p := r.page(t)
			if got := append(p.Repositories, p.Tags...); !slices.Equal(got, c.all) || r.Header.Get("Link") != "" {
				t.Errorf("%s%s: %q, %q", c.path, query, got, r.Header.Get("Link"))
			}
		}
		for _, n := range []int{1, 7, 25} {
			var got []string
			for path := c.path + "?ns=a.io&n=" + strconv.Itoa(n); path != ""; {
				r := tr.get(t, path)
				p := r.page(t)
				if len(p.Repositories)+len(p.Tags) > n {
					t.Fatalf("%s: more than %d", path, n)
				}
				got = append(append(got, p.Repositories...), p.Tags...)
				path = ""
				if m := linked.FindStringSubmatch(r.Header.Get("Link")); m != nil {
					path = m[1]
				}
			}
			if !slices.Equal(got, c.all) {
				t.Errorf("%s, %d a page: %q", c.path, n, got)
			}
		}
		r := tr.get(t, c.path+"?n=0")
		if p := r.page(t); len(p.Repositories)+len(p.Tags) != 0 || r.Header.Get("Link") != "" ||
			strings.Contains(r.body, "null") {
			t.Errorf("%s?n=0: %s, %q", c.path, r.body, r.Header.Get("Link"))
		}
		for _, n := range []string{"", "-1", "x", "1.5", "0x10", "1 ", "٣"} {
			r := tr.get(t, c.path+"?n="+url.QueryEscape(n))
			if code, _ := r.failure(t); r.StatusCode != http.StatusBadRequest || code != codeNumberInvalid {
				t.Errorf("n=%q: %s", n, r.Status)
			}
		}
		if r := tr.get(t, c.path+"?last=zzz"); strings.Contains(r.body, "null") || r.StatusCode != http.StatusOK {
			t.Errorf("behind the end: %s, %s", r.Status, r.body)
		}
	}
	if p := tr.get(t, "/v2/a.io/r/tags/list").page(t); p.Name != "a.io/r" {
		t.Errorf("name %q", p.Name)
	}
}

// Thousands of referrers, and some with much to say, come in pages that clients take.
func TestReferrersInPages(t *testing.T) {
	content := newContent()
	root := content.Put("", []byte(`{"manifests":[]}`))
	config := content.Put(v1.MediaTypeEmptyJSON, []byte("{}"))
	shelf := Shelf{Content: content, Images: []Image{{Names: []string{"a.io/r:1"}, Root: root}}}
	add := func(note string) {
		d := content.PutJSON(v1.MediaTypeImageManifest, v1.Manifest{MediaType: v1.MediaTypeImageManifest,
			Config: config, Layers: []v1.Descriptor{}, Subject: &root, Annotations: map[string]string{"a": note}})
		shelf.Images = append(shelf.Images, Image{Root: d, Subject: root.Digest})
	}
	for i := range 1100 {
		add(strconv.Itoa(i))
	}
	for i := range 5 {
		add(strings.Repeat("x", 3<<20) + strconv.Itoa(i))
	}
	tr := start(t, shelf)
	seen := map[digest.Digest]bool{}
	next := "/v2/a.io/r/referrers/" + root.Digest.String()
	for pages := 0; next != ""; pages++ {
		r := tr.get(t, next)
		var index v1.Index
		if err := json.Unmarshal([]byte(r.body), &index); err != nil || len(r.body) > 4<<20 || pages > 20 {
			t.Fatalf("%s: %s with %d bytes, %v", next, r.Status, len(r.body), err)
		}
		for _, d := range index.Manifests {
			if seen[d.Digest] {
				t.Errorf("%s twice", d.Digest)
			}
			seen[d.Digest] = true
		}
		next, _, _ = strings.Cut(strings.TrimPrefix(r.Header.Get("Link"), "<"), ">")
	}
	if len(seen) != 1105 {
		t.Errorf("%d of 1105", len(seen))
	}
}

// Who claims to have what is not here is not told that it has not changed.
func TestUnchangedIsHere(t *testing.T) {
	content := newContent()
	root := content.Put("", []byte(`{"manifests":[]}`))
	tr := start(t, Shelf{Content: content, Images: []Image{{Names: []string{"a.io/r:1"}, Root: root}}})
	none := digest.FromString("none")
	for _, what := range []string{"manifests", "blobs"} {
		r := tr.do(t, http.MethodGet, "/v2/a.io/r/"+what+"/"+none.String(), "If-None-Match", "*, "+etag(none))
		if r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", what, r.Status)
		}
	}
}

func TestReferrers(t *testing.T) {
	content := newContent()
	root := content.Put("", []byte(`{"manifests":[]}`))
	config := content.Put(v1.MediaTypeEmptyJSON, []byte("{}"))
	shelf := Shelf{Content: content, Images: []Image{{Names: []string{"a.io/r:1", "a.io/copy:1"}, Root: root}}}
	add := func(kind, tag string, subject *v1.Descriptor) v1.Descriptor {
		d := content.PutJSON(v1.MediaTypeImageManifest, v1.Manifest{MediaType: v1.MediaTypeImageManifest,
			ArtifactType: kind, Config: config, Layers: []v1.Descriptor{}, Subject: subject,
			Annotations: map[string]string{"kind": kind + tag}})
		shelf.Images = append(shelf.Images, Image{Root: d, Tag: tag, Subject: root.Digest})
		return d
	}
	sbom, sign := add("test/sbom", "", &root), add("test/sign", "", &root)
	tag := "sha256-" + root.Digest.Encoded() + ".sig"
	cosign := add("", tag, nil) // it names no subject: its tag tells it
	shelf.Images = append(shelf.Images, shelf.Images[1])
	tr := start(t, shelf, shelf)
	for query, want := range map[string][]digest.Digest{"": {sbom.Digest, sign.Digest},
		"?artifactType=test/sbom": {sbom.Digest}, "?artifactType=other": nil} {
		r := tr.get(t, "/v2/a.io/r/referrers/"+root.Digest.String()+query)
		var index v1.Index
		if err := json.Unmarshal([]byte(r.body), &index); err != nil || index.SchemaVersion != 2 ||
			index.MediaType != v1.MediaTypeImageIndex || r.Header.Get("Content-Type") != v1.MediaTypeImageIndex ||
			strings.Contains(r.body, "null") {
			t.Errorf("%q: %s, %v, %s", query, r.Status, err, r.body)
		}
		var got []digest.Digest
		for _, d := range index.Manifests {
			got = append(got, d.Digest)
			if d.Annotations["kind"] != d.ArtifactType || d.MediaType != v1.MediaTypeImageManifest || d.Size == 0 {
				t.Errorf("%q: %+v", query, d)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
		if applied := r.Header.Get("OCI-Filters-Applied"); (applied == "artifactType") != (query != "") {
			t.Errorf("%q: filters applied %q", query, applied)
		}
	}
	none := digest.FromString("none").String()
	if r := tr.get(t, "/v2/a.io/r/referrers/"+none); r.StatusCode != http.StatusOK ||
		!strings.Contains(r.body, `"manifests":[]`) {
		t.Errorf("nothing refers to it: %s, %s", r.Status, r.body)
	}
	for _, repository := range []string{"a.io/r", "a.io/copy"} { // wherever the image is
		if r := tr.get(t, "/v2/"+repository+"/manifests/"+tag); r.Header.Get("Docker-Content-Digest") !=
			cosign.Digest.String() {
			t.Errorf("%s:%s: %s", repository, tag, r.Status)
		}
		if p := tr.get(t, "/v2/"+repository+"/tags/list").page(t); !slices.Equal(p.Tags, []string{"1", tag}) {
			t.Errorf("%s: tags %q", repository, p.Tags)
		}
	}
}

// api matches the paths that mean something.
var api = regexp.MustCompile(`^/v2(/|/_catalog|/(.+)/(tags/list|(manifests|blobs|referrers)/([^/]*)))?$`)

func FuzzPath(f *testing.F) {
	shelf := called("s", "a.io/x/y:1", "docker.io/library/z:1")
	reg := New(NewCatalog([]Shelf{shelf}), Options{})
	d := shelf.Images[0].Root.Digest.String()
	for _, path := range []string{"/v2/", "/v2/_catalog?n=1&last=x", "/v2/a.io/x/y/manifests/1",
		"/v2/x/y/manifests/" + d, "/v2/y/blobs/" + d, "/v2/z/tags/list?n=0", "/v2/z/referrers/" + d,
		"/v2/../../etc/passwd", "/v2/a%2fb/tags/list", "/v2/x//manifests/1", "/v2/manifests/manifests/manifests",
		"/v2/tags/list/tags/list", "/v2/z/manifests/1?ns=docker.io", "/v2/%", "/v2/z/blobs/sha256:", "//v2/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" {
			return
		}
		w := httptest.NewRecorder()
		reg.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		if !slices.Contains([]int{200, 400, 404}, w.Code) {
			t.Fatalf("%q: %d", path, w.Code)
		}
		if w.Code == http.StatusOK && !api.MatchString(u.Path) {
			t.Fatalf("%q is answered", path)
		}
		if w.Code != http.StatusOK {
			reply{&http.Response{StatusCode: w.Code}, w.Body.String(), nil}.failure(t)
		}
	})
}
