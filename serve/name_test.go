package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// called makes a shelf with an image of each name. The root of each is another one, with the name in it.
func called(shelf string, names ...string) Shelf {
	content := newContent()
	s := Shelf{Name: shelf, Content: content}
	for _, name := range names {
		raw := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"a":%q}}`,
			v1.MediaTypeImageIndex, shelf+" "+name)
		s.Images = append(s.Images, Image{Names: []string{name}, Root: content.Put("", []byte(raw))})
	}
	return s
}

func TestNames(t *testing.T) {
	tr := start(t, called("s", "docker.io/library/alpine:1", "docker.io/team/app:1", "quay.io/team/app:1",
		"registry.corp:5000/dev/team/tool:1", "quay.io/deep/library/alpine:1", "gcr.io/deep/tool/kit:1",
		"ghcr.io/owner/kit:1", "local:1", "localhost/mine:1", "docker.io/library/nginx:1", "ghcr.io/x/nginx:1",
		"localhost:5000/own:1"))
	const notFound = ""
	for _, c := range []struct{ ns, path, want string }{
		{"", "docker.io/library/alpine", "docker.io/library/alpine"},
		{"", "index.docker.io/library/alpine", "docker.io/library/alpine"},
		{"", "library/alpine", "docker.io/library/alpine"}, // a whole path goes before the end of one
		{"", "alpine", notFound},                           // quay.io has one too
		{"", "team/app", notFound},
		{"", "app", notFound},
		{"", "quay.io/team/app", "quay.io/team/app"},
		{"", "dev/team/tool", "registry.corp:5000/dev/team/tool"},
		{"", "team/tool", "registry.corp:5000/dev/team/tool"},
		{"", "tool", "registry.corp:5000/dev/team/tool"},
		{"", "registry.corp:5000/dev/team/tool", "registry.corp:5000/dev/team/tool"},
		{"", "registry.corp/dev/team/tool", notFound},
		{"", "owner/kit", "ghcr.io/owner/kit"},
		{"", "kit", notFound},
		{"", "ool", notFound},
		{"", "local", "local"},
		{"", "localhost/mine", "localhost/mine"},
		{"", "mine", "localhost/mine"},
		{"", "nginx", notFound},
		{"", "library/nginx", "docker.io/library/nginx"},

		// As copies of images with --keep-host are called, where no path can have the port.
		{"", "registry.corp-5000/dev/team/tool", "registry.corp:5000/dev/team/tool"},
		{"", "localhost-5000/own", "localhost:5000/own"},
		{"", "registry.corp-5001/dev/team/tool", notFound},
		{"registry.corp:5000", "registry.corp-5000/dev/team/tool", "registry.corp:5000/dev/team/tool"},
		{"docker.io", "localhost-5000/own", notFound}, // that is docker.io/localhost-5000/own

		{"docker.io", "library/alpine", "docker.io/library/alpine"},
		{"docker.io", "alpine", "docker.io/library/alpine"},
		{"registry-1.docker.io", "library/alpine", "docker.io/library/alpine"},
		{"docker.io", "nginx", "docker.io/library/nginx"},
		{"docker.io", "team/app", "docker.io/team/app"},
		{"quay.io", "team/app", "quay.io/team/app"},
		{"registry.corp:5000", "dev/team/tool", "registry.corp:5000/dev/team/tool"},
		{"registry.corp:5000", "team/tool", notFound},
		// Whoever asks for an image of another registry does not get this one.
		{"ghcr.io", "team/app", notFound},
		{"registry.corp", "dev/team/tool", notFound},
		{"other.example", "dev/team/tool", notFound},
		{"other.example", "local", notFound},
		{"quay.io", "library/alpine", notFound},
		{"my.mirror:443", "docker.io/library/alpine", "docker.io/library/alpine"},
		{"my.mirror:443", "library/alpine", notFound},
		{"../..", "library/alpine", notFound},
		{strings.Repeat("x", 5000), "library/alpine", notFound},
	} {
		path := "/v2/" + c.path + "/manifests/1"
		if c.ns != "" {
			path += "?ns=" + url.QueryEscape(c.ns)
		}
		r := tr.get(t, path)
		if got := tr.last(t); c.want == notFound && r.StatusCode == http.StatusNotFound && len(r.body) < 1000 {
			r.failure(t)
		} else if c.want == notFound || r.StatusCode != http.StatusOK || got.Repository != c.want ||
			!strings.Contains(r.body, "s "+c.want+":1") {
			t.Errorf("%q %q: %s, %q, %.300q", c.ns, c.path, r.Status, got.Repository, r.body)
		}
	}
}

func TestAmbiguousName(t *testing.T) {
	var names []string
	for i := range 14 {
		names = append(names, fmt.Sprintf("host%02d.example/app:1", i))
	}
	tr := start(t, called("s", names...), called("z", "docker.io/library/redis:7", "quay.io/redis:7"))
	r := tr.get(t, "/v2/redis/tags/list")
	code, message := r.failure(t)
	want := "redis may be any of these repositories, name one in full: docker.io/library/redis, quay.io/redis"
	if r.StatusCode != http.StatusNotFound || code != codeNameUnknown || message != want {
		t.Errorf("%s, %s, %s", r.Status, code, message)
	}
	_, message = tr.get(t, "/v2/app/tags/list").failure(t)
	if !strings.HasSuffix(message, "host09.example/app and 4 more") {
		t.Error(message)
	}
}

func TestInvalidNames(t *testing.T) {
	tr := start(t, called("s", "docker.io/library/alpine:1"))
	for _, path := range []string{"..", "../x", "a/../library/alpine", "library//alpine", "library%2Falpine",
		"library%2falpine", "/alpine", "alpine/", "Alpine", "a%00b", "-a", "a-", "a..b", "a___b", "a%20b", "ä",
		strings.Repeat("a", 256), strings.Repeat("a/", 5000) + "a", "%2e%2e", "docker.io:x/library/alpine",
		"a;b", "a?b", "[::1/a", "docker.io/", "library/alpine%2Fmanifests%2F1"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tr.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "/v2/" + strings.ReplaceAll(path, "?", "%3F") + "/tags/list"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.60q: %s", path, resp.Status)
		}
	}
}

// A name that two shelves have is that of the first one. The catalog tells it.
func TestConflict(t *testing.T) {
	first, second := called("first", "a.io/x:1", "a.io/y:1"), called("second", "a.io/x:1", "a.io/z:1")
	same := first
	same.Name = "same"
	c := NewCatalog([]Shelf{first, same, second})
	want := []Conflict{{Name: "a.io/x:1", Served: first.Images[0].Root.Digest,
		Left: second.Images[0].Root.Digest, ServedIn: "first", LeftIn: "second"}}
	if diff := cmp.Diff(want, c.Conflicts()); diff != "" {
		t.Error(diff)
	}
	var all []string
	for _, r := range c.Repositories() {
		all = append(all, fmt.Sprint(r.Name, len(r.Tags), r.Tags[0].Shelf))
	}
	if want := []string{"a.io/x1first", "a.io/y1first", "a.io/z1second"}; !slices.Equal(all, want) {
		t.Error(all)
	}
}

// Images without a full name are where the shelf says, and everywhere by their digest.
func TestNamelessImages(t *testing.T) {
	content := newContent()
	root := content.Put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	other := content.Put("", []byte(`{"schemaVersion":2,"manifests":[],"annotations":{}}`))
	pinned := digest.FromString("x").String()
	tr := start(t, Shelf{Content: content, Repository: "bundle", Images: []Image{{Tag: "1", Root: root},
		{Root: other},
		{Names: []string{"a.io/b@" + pinned, "not a name", "a.io/c:bad tag", ""}, Root: root}}})
	for path, want := range map[string]int{"bundle/manifests/1": 200, "bundle/manifests/latest": 404,
		"bundle/manifests/" + other.Digest.String(): 200, "a.io/b/manifests/" + other.Digest.String(): 200,
		"a.io/b/manifests/" + pinned: 404, "a.io/b/tags/list": 200, "a.io/c/tags/list": 404} {
		if r := tr.get(t, "/v2/"+path); r.StatusCode != want {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// bareBrackets reports whether a name begins with brackets in which there is no address: nobody takes these
// for a registry but reference.WithName.
func bareBrackets(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(host, "[") && !strings.ContainsAny(host, ".:") && host == strings.ToLower(host)
}

func TestBareBrackets(t *testing.T) {
	for name, want := range map[string]bool{"[0]/a": false, "[ab]/a": false, "[]/a": false, "[a]": false,
		"[::]/a": true, "[0]:1/a": true, "[A]/a": true} {
		_, err := reference.ParseNormalizedNamed(name)
		if got := validName(name); got != want || (err == nil) != want {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"a", "docker.io/library/a", "a__b", "a---b", "a._b", "localhost:1/a", "A/b",
		"[::1]:5000/a", "[]/a", "a.b-/c", "a//b", "a/", "/a", "-", "1.2.3.4/x", "a:1/b",
		"a.b:/c", "x/a:1", "[0.]:0/0"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		_, err := reference.WithName(name)
		if host, _ := cutHost(name); len(host) > maxHost || bareBrackets(name) {
			return
		}
		if got := validName(name); got != (err == nil) {
			t.Fatalf("%q: %v, but %v", name, got, err)
		}
		repository, tag, ok := splitName(name)
		if ok && (!validName(repository) || tag != "" && !validTag(tag)) {
			t.Fatalf("%q: %q, %q", name, repository, tag)
		}
		tagged, err := reference.ParseNormalizedNamed(name + ":x1")
		if err != nil || tagged.String() != name+":x1" {
			return
		}
		if repository, tag, ok := splitName(name + ":x1"); !ok || repository != name || tag != "x1" {
			t.Fatalf("%q: %q, %q, %v", name, repository, tag, ok)
		}
	})
}
