package browse_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"drayage/internal/browse"
	"drayage/internal/imagetest"
	"drayage/internal/kind"
	"drayage/internal/pullers"
	"drayage/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is content in memory.
type shelf struct{ imagetest.Store }

func (c shelf) Stat(d digest.Digest) (v1.Descriptor, error) {
	raw, ok := c.Content[d]
	if !ok {
		return v1.Descriptor{}, kind.Errorf(fs.ErrNotExist, "no blob %s", d)
	}
	return v1.Descriptor{Digest: d, Size: int64(len(raw))}, nil
}

// evil is what a hostile image says of itself.
const evil = `"><script>alert(1)</script>` + "\x1b[31m\u202e"

// sample is a shelf with one of each kind.
func sample() serve.Shelf {
	store := imagetest.NewStore()
	put := store.Put
	layers := func(n int) (all []imagetest.Layer) {
		for i := range n {
			content := imagetest.Tar(map[string]string{"file": strings.Repeat("x", 1000*(i+1))})
			all = append(all, imagetest.GzipLayer(content))
		}
		return all
	}
	created := time.Date(2026, 9, 3, 10, 0, 0, 0, time.UTC)
	config := v1.Image{Created: &created, Config: v1.ImageConfig{Entrypoint: []string{"/docker-entrypoint.sh"},
		Cmd: []string{"nginx", "-g", "daemon off;"}, User: "nginx", WorkingDir: "/app",
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "443/tcp": {}}}}
	labels := map[string]string{"org.opencontainers.image.title": "nginx", "vendor.internal": "not of interest",
		"org.opencontainers.image.version": "1.27.3", "org.opencontainers.image.licenses": "BSD-2-Clause"}
	var platforms []v1.Descriptor
	for i, arch := range []string{"amd64", "arm64", "s390x"} {
		im := imagetest.Image{Config: config, Labels: labels, Layers: layers(4 + i),
			Platform: v1.Platform{OS: "linux", Architecture: arch}}
		platforms = append(platforms, im.Put(put))
	}
	index := put(imagetest.Index(false, platforms...))
	one := imagetest.Image{Layers: layers(2), Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Labels: map[string]string{"org.opencontainers.image.title": evil,
			"org.opencontainers.image.description": strings.Repeat("long ", 10_000)}}
	one.Config.Config.Cmd = []string{evil}
	hostile := one.Put(put)
	lacking := imagetest.Image{Layers: layers(1), Docker: true,
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
	lacking.Layers = append(lacking.Layers, imagetest.PlainLayer([]byte("left out")))
	thin := lacking.Put(put)
	delete(store.Content, digest.FromString("left out"))
	key := imagetest.NewCosignKey()
	signature := key.SignBundled(put, index)
	return serve.Shelf{Name: "all.tar", Content: shelf{store}, Images: []serve.Image{
		{Names: []string{"docker.io/library/nginx:1.27", "docker.io/library/nginx:latest"}, Root: index},
		{Names: []string{"quay.io/odd/hostile:1"}, Root: hostile},
		{Names: []string{"ghcr.io/thin/app:v2", "mirror.corp:5000/thin/app:v2"}, Root: thin},
		{Names: []string{"quay.io/odd/gone:1"}, Root: v1.Descriptor{Digest: digest.FromString("gone"), Size: 4,
			MediaType: v1.MediaTypeImageManifest}},
		{Names: []string{"docker.io/library/nginx:sha256-" + index.Digest.Encoded() + ".sig"}, Root: signature,
			Subject: index.Digest},
	}}
}

// site serves the pages of shelves.
func site(t *testing.T, o browse.Options, shelves ...serve.Shelf) string {
	t.Helper()
	registry := serve.New(serve.NewCatalog(shelves), serve.Options{})
	o.Hold = registry.Hold
	if o.Host == "" {
		o.Host = "10.0.0.7:5000"
	}
	server := httptest.NewServer(browse.New(o))
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Cleanup(server.Close)
	return server.URL
}

// ask returns a page as a browser gets it, or as text.
func ask(t *testing.T, address, host string, asHTML bool) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if asHTML {
		req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "script") {
		t.Errorf("%s: %s", address, csp)
	}
	if asHTML && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		checkPage(t, address, string(raw))
	}
	return resp.StatusCode, string(raw)
}

// checkPage reads a page as browsers do: no script, nothing from elsewhere, and every element is closed.
func checkPage(t *testing.T, address, text string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("%s: %v, open: %q", address, z.Err(), open)
			}
			return
		case html.StartTagToken:
			token := z.Token()
			checkTag(t, address, token)
			if !strings.Contains(" meta link input wbr br ", " "+token.Data+" ") {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			token := z.Token()
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("%s: </%s> closes %q", address, token.Data, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func checkTag(t *testing.T, address string, token html.Token) {
	t.Helper()
	if token.Data == "script" || token.Data == "style" || token.Data == "img" || token.Data == "iframe" {
		t.Errorf("%s: <%s>", address, token.Data)
	}
	for _, a := range token.Attr {
		link := a.Key == "href" || a.Key == "src" || a.Key == "action"
		here := strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//")
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" || link && !here {
			t.Errorf("%s: <%s %s=%q>", address, token.Data, a.Key, a.Val)
		}
	}
}

func has(t *testing.T, page, what string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(page, w) {
			t.Errorf("%s has no %q:\n%s", what, w, page)
		}
	}
}

func TestListOfImages(t *testing.T) {
	url := site(t, browse.Options{How: pullers.Plain}, sample())
	status, page := ask(t, url+"/", "10.1.1.1:5000", true)
	if status != 200 || strings.Contains(page, "sha256-") {
		t.Errorf("%d\n%s", status, page)
	}
	has(t, page, "the list", "10.1.1.1:5000", `href="/image/docker.io/library/nginx:1.27"`, "library/nginx",
		"5 repositories", "insecure-registries&#34;: [&#34;10.1.1.1:5000&#34;]")
	if _, text := ask(t, url+"/", "10.1.1.1:5000", false); text != `10.1.1.1:5000/docker.io/library/nginx:1.27
10.1.1.1:5000/docker.io/library/nginx:latest
10.1.1.1:5000/ghcr.io/thin/app:v2
10.1.1.1:5000/mirror.corp:5000/thin/app:v2
10.1.1.1:5000/quay.io/odd/gone:1
10.1.1.1:5000/quay.io/odd/hostile:1
` {
		t.Errorf("%s", text)
	}
}

func TestPageOfAnImage(t *testing.T) {
	shelf := sample()
	url := site(t, browse.Options{How: pullers.Plain, Login: true}, shelf)
	_, page := ask(t, url+"/image/docker.io/library/nginx:1.27", "10.1.1.1:5000", true)
	has(t, page, "the page", "docker pull 10.1.1.1:5000/library/nginx:1.27", "linux/arm64", "created 2026-09-03",
		shelf.Images[0].Root.Digest.String(), "BSD-2-Clause", "docker login 10.1.1.1:5000", "Layers, base first",
		"podman login --tls-verify=false 10.1.1.1:5000", "podman pull --tls-verify=false",
		"What belongs to it", "application/vnd.dev.sigstore.bundle")
	if strings.Contains(page, "not of interest") {
		t.Error("labels of no interest are shown")
	}
	_, page = ask(t, url+"/image/ghcr.io/thin/app:v2", "10.1.1.1:5000", true)
	has(t, page, "a thin image", "1 layer is not here", "docker pull 10.1.1.1:5000/ghcr.io/thin/app:v2")
	for path, want := range map[string]int{
		"/image/quay.io/odd/gone:1": 404, "/image/nothing:1": 404, "/image/": 404, "/image/x@sha256:abc": 404,
		"/image/docker.io/library/nginx": 404, "/other": 404, "/image/docker.io/library/nginx:2": 404,
		"/?repository=nothing": 404, "/style.css": 200, "/icon.svg": 200,
		"/image/docker.io/library/nginx@" + shelf.Images[0].Root.Digest.String(): 200,
		"/image/docker.io/library/nginx@" + shelf.Images[4].Root.Digest.String(): 200,
	} {
		if status, page := ask(t, url+path, "10.1.1.1:5000", true); status != want {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
}

// What an image or a client says is text, bounded, and nothing else.
func TestHostileTexts(t *testing.T) {
	address := site(t, browse.Options{How: pullers.Plain}, sample())
	_, page := ask(t, address+"/image/quay.io/odd/hostile:1", "10.1.1.1:5000", true)
	has(t, page, "the page", "&lt;script&gt;alert(1)", "long long")
	if len(page) > 20_000 || strings.ContainsAny(page, "\x1b\u202e") {
		t.Errorf("%d bytes\n%s", len(page), page)
	}
	for _, host := range []string{"evil\"><script>", "a b", "evil.corp/path", "", "user@evil"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Host = host
		req.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		registry := serve.New(serve.NewCatalog([]serve.Shelf{sample()}), serve.Options{})
		browse.New(browse.Options{Hold: registry.Hold, Host: "10.0.0.7:5000"}).ServeHTTP(w, req)
		if text := w.Body.String(); strings.Contains(text, "evil") || !strings.Contains(text, "10.0.0.7:5000") {
			t.Errorf("%q: %s", host, text)
		}
	}
	_, page = ask(t, address+"/?q="+url.QueryEscape(evil+strings.Repeat("y", 5000)), "", true)
	if strings.Contains(page, "<script") || len(page) > 10_000 {
		t.Errorf("%s", page)
	}
}

// many are n repositories with three tags each, and one with many.
func many(n int) serve.Shelf {
	s := serve.Shelf{Name: "many", Content: shelf{imagetest.NewStore()}}
	add := func(name string) {
		s.Images = append(s.Images, serve.Image{Names: []string{name}, Root: v1.Descriptor{
			Digest: digest.FromString(name), MediaType: v1.MediaTypeImageManifest, Size: 500}})
	}
	for i := range n {
		for _, tag := range []string{"1.0", "1.1", "latest"} {
			add(fmt.Sprintf("registry.corp/team%02d/app%05d:%s", i%50, i, tag))
		}
	}
	for i := range 1200 {
		add(fmt.Sprintf("registry.corp/ci/build:%04d", i))
	}
	return s
}

func TestManyImages(t *testing.T) {
	url := site(t, browse.Options{}, many(10_000))
	_, page := ask(t, url+"/", "", true)
	has(t, page, "the list", "10,001 repositories, 31,200 tags", "1 to 100 here", `href="/?page=2"`, "1,188 more")
	if n := strings.Count(page, "<li><a class=\"name\""); n != 100 {
		t.Errorf("%d rows", n)
	}
	_, page = ask(t, url+"/?page=101", "", true)
	has(t, page, "the last page", "10,001 to 10,001 here", `href="/?page=100"`)
	_, page = ask(t, url+"/?page=9999999999999999", "", true)
	has(t, page, "a page behind the last", "Images")
	_, page = ask(t, url+"/?q=TEAM07+app00007", "", true)
	has(t, page, "what was found", "1 repository of 10,001 matches", "team07/app00007")
	_, page = ask(t, url+"/?q=build:0041", "", true)
	has(t, page, "a tag", "ci/build:0041")
	if strings.Contains(page, "ci/build:0042") {
		t.Error("a tag that does not match is shown")
	}
	_, page = ask(t, url+"/?repository=registry.corp/ci/build&page=2", "", true)
	has(t, page, "the tags", "501 to 1,000 here", ":0500", `page=3&amp;repository=`, `page=1&amp;repository=`)
}

func TestShort(t *testing.T) {
	root := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}
	c := serve.NewCatalog([]serve.Shelf{
		{Images: []serve.Image{{Root: root, Names: []string{"docker.io/library/alpine:3", "quay.io/team/app:1",
			"ghcr.io/team/app:1", "localhost:5000/own:1"}}}},
		{Repository: "backup", Images: []serve.Image{{Root: root, Tag: "1"}}}, // of an archive without names
	})
	for repository, want := range map[string]string{
		"docker.io/library/alpine": "library/alpine", "quay.io/team/app": "quay.io/team/app",
		"localhost:5000/own": "own", "backup": "backup",
	} {
		if got := browse.Short(c, repository); got != want {
			t.Errorf("%s is %s, want %s", repository, got, want)
		}
	}
}

// A page of very many images costs what one of few costs, to within the numbers on it.
func TestPageOfManyCostsWhatOneOfFewDoes(t *testing.T) {
	cost := func(n int) float64 {
		registry := serve.New(serve.NewCatalog([]serve.Shelf{many(n)}), serve.Options{})
		pages := browse.New(browse.Options{Hold: registry.Hold, Host: "10.0.0.7:5000"})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", "text/html")
		return testing.AllocsPerRun(5, func() { pages.ServeHTTP(httptest.NewRecorder(), r) })
	}
	if few, very := cost(200), cost(5000); very > few*1.1 {
		t.Errorf("memory was asked for %.0f times for a page of 5,000 images, %.0f times of 200", very, few)
	}
}
