//go:build linux

package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/sample"
)

// startRegistry runs distribution 3 in this process with options of the test's own.
func startRegistry(t *testing.T, opts registry3.Options) *registry3.Server {
	t.Helper()
	server, err := registry3.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// seedDir puts an image into a storage directory for registries that would not let the test in.
func seedDir(t *testing.T, image *sample.Image, name, tag string) string {
	t.Helper()
	dir := scratch(t)
	open := startRegistry(t, registry3.Options{Dir: dir})
	seed(t, image, open.Addr(), name, tag)
	open.Close()
	return dir
}

// mirrorings are the ways to say that the registry is to be read from a mirror first.
var mirrorings = []struct {
	name string
	tell func(t *testing.T, user home, registry, mirror string) (flags []string)
}{
	{"--mirror", func(_ *testing.T, _ home, registry, mirror string) []string {
		return []string{"--mirror", registry + "=http://" + mirror}
	}},
	{"hosts.toml", func(t *testing.T, user home, registry, mirror string) []string {
		user.write(t, ".config/containerd/certs.d/"+registry+"/hosts.toml",
			fmt.Appendf(nil, "server = \"http://%s\"\n[host.\"http://%s\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
				registry, mirror))
		return nil
	}},
	{"registries.conf", func(t *testing.T, user home, registry, mirror string) []string {
		writeRegistriesConf(t, user, registry, mirror)
		return nil
	}},
}

func writeRegistriesConf(t *testing.T, user home, registry, mirror string) {
	t.Helper()
	user.write(t, ".config/containers/registries.conf",
		fmt.Appendf(nil,
			"[[registry]]\nlocation = %q\ninsecure = true\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n",
			registry, mirror))
}

// flaky lets every second request fail, each time in another way.
type flaky struct {
	mu       sync.Mutex
	requests int
	failures map[string]bool
}

func (f *flaky) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch kind := f.next(); kind {
		case "":
			next.ServeHTTP(w, r)
		case "503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "404":
			http.NotFound(w, r)
		case "reset":
			panic(http.ErrAbortHandler)
		}
	})
}

func (f *flaky) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if f.requests%2 == 1 {
		return ""
	}
	kind := [...]string{"503", "404", "reset"}[f.requests/2%3]
	if f.failures == nil {
		f.failures = map[string]bool{}
	}
	f.failures[kind] = true
	return kind
}

func TestMirrorThatFailsHalfTheTime(t *testing.T) {
	image, _ := newSample(t, sample.Options{})
	for _, m := range mirrorings {
		t.Run(m.name, func(t *testing.T) {
			var bad flaky
			primary := startRegistry3(t)
			ref := seed(t, image, primary, "team/app", "1")
			mirror := startRegistry(t, registry3.Options{
				Dir:  seedDir(t, image, "team/app", "1"),
				Wrap: bad.wrap,
			})
			user, layout := newHome(t), filepath.Join(scratch(t), "layout")
			flags := m.tell(t, user, primary, mirror.Addr())
			user.drayage(t, append([]string{"fetch", ref, "-o", layout, "--platform", "all"}, flags...)...).ok(t)
			equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), image.Root.Digest)
			drayage(t, "save", layout, "-o", filepath.Join(scratch(t), "saved.tar")).ok(t) // which checks every byte
			// A mirror that has failed is asked last: it may have served nothing.
			if bad.kinds() == 0 {
				t.Error("the mirror was not put to the test")
			}
		})
	}
}

func (f *flaky) kinds() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.failures)
}

// liar changes a byte of what it serves by digest.
func liar(what string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, what) {
				next.ServeHTTP(w, r)
				return
			}
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			for key, values := range recorded.Header() {
				w.Header()[key] = values
			}
			w.WriteHeader(recorded.Code)
			body := recorded.Body.Bytes()
			if len(body) > 0 {
				body[len(body)/2] ^= 1
			}
			w.Write(body)
		})
	}
}

// TestMirrorThatLies gets the right bytes from the registry where the mirror's are wrong.
func TestMirrorThatLies(t *testing.T) {
	image, _ := newSample(t, sample.Options{})
	for _, what := range []string{"/blobs/sha256:", "/manifests/sha256:"} {
		for _, m := range mirrorings {
			t.Run(m.name+what, func(t *testing.T) {
				primary := startRegistry3(t)
				ref := seed(t, image, primary, "team/app", "1")
				mirror := startRegistry(t, registry3.Options{Dir: seedDir(t, image, "team/app", "1"), Wrap: liar(what)})
				user, layout := newHome(t), filepath.Join(scratch(t), "layout")
				flags := m.tell(t, user, primary, mirror.Addr())
				user.drayage(t, append([]string{"fetch", ref, "-o", layout, "--platform", "all"}, flags...)...).ok(t)
				equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), image.Root.Digest)
				drayage(t, "save", layout, "-o", filepath.Join(scratch(t), "saved.tar")).ok(t) // which checks every byte
			})
		}
	}
}

// TestMirrorGetsNoCredentials has a mirror that asks for a password as the registry does. It gets that which
// is stored for it, if one is, and never the registry's.
func TestMirrorGetsNoCredentials(t *testing.T) {
	image, here := newSample(t, sample.Options{})
	dir := seedDir(t, image, "team/app", "1")
	for _, m := range mirrorings {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stored=%t", m.name, stored), func(t *testing.T) {
				var shown shownTo
				primary := startRegistry(t, registry3.Options{Dir: dir, User: "mary", Password: "a:secret"})
				mirror := startRegistry(t, registry3.Options{Dir: dir, User: "mirror", Password: "its own",
					Wrap: shown.wrap})
				user, layout := newHome(t), filepath.Join(scratch(t), "layout")
				flags := m.tell(t, user, primary.Addr(), mirror.Addr())
				if stored {
					user.login(t, primary.Addr(), "mary", "a:secret")
					user.login(t, mirror.Addr(), "mirror", "its own")
					shown.forget()
				} else {
					flags = append(flags, "--creds", "mary:a:secret")
				}
				user.drayage(t, append([]string{"fetch", primary.Addr() + "/team/app:1", "-o", layout},
					flags...)...).ok(t)
				equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
				shown.check(t, stored)
			})
		}
	}
}

// login stores a password with drayage.
func (h home) login(t *testing.T, addr, user, password string) {
	t.Helper()
	i := drayageCommand(t, "login", addr, "-u", user, "--password-stdin")
	i.stdin = strings.NewReader(password + "\n")
	h.in(i).run(t).ok(t)
}

// shownTo remembers the credentials that a registry has been shown.
type shownTo struct {
	mu       sync.Mutex
	requests int
	users    map[string]int
}

func (s *shownTo) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		s.mu.Lock()
		s.requests++
		if r.Header.Get("Authorization") != "" {
			if s.users == nil {
				s.users = map[string]int{}
			}
			s.users[user+":"+password]++
		}
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (s *shownTo) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.users = 0, map[string]int{}
}

func (s *shownTo) check(t *testing.T, own bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == 0 {
		t.Error("the mirror was not asked")
	}
	if (s.users["mirror:its own"] > 0) != own {
		t.Errorf("its own credentials were shown to the mirror: %t, want %t", !own, own)
	}
	delete(s.users, "mirror:its own")
	if len(s.users) > 0 {
		t.Errorf("the mirror was shown %v", s.users)
	}
}

// TestMirrorOfDockerHub reads an image under its name on Docker Hub, which nobody can reach here, as docker
// and skopeo do.
func TestMirrorOfDockerHub(t *testing.T) {
	requireDocker(t)
	require(t, "skopeo")
	image, here := newSample(t, sample.Options{Flavour: sample.Docker})
	var served meter.Meter
	mirror := startRegistry(t, registry3.Options{Wrap: served.Wrap})
	seed(t, image, mirror.Addr(), "library/drayage-sample", "1")

	engine := startDocker(t, "--registry-mirror", mirror.URL())
	engine.run(t, "pull", "drayage-sample:1")
	user := newHome(t)
	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", "drayage-sample:1", "-o", layout, "--mirror", mirror.URL()).ok(t)
	loader, tar := startDocker(t), filepath.Join(scratch(t), "saved.tar")
	drayage(t, "save", layout, "-o", tar).ok(t)
	loader.run(t, "load", "-i", tar)
	equal(t, "image ID", loader.id(t, "drayage-sample:1"), engine.id(t, "drayage-sample:1"))

	writeRegistriesConf(t, user, "docker.io", mirror.Addr())
	served.Take()
	config := user.skopeo(t, "inspect", "--config", "--raw", "docker://docker.io/library/drayage-sample:1")
	equal(t, "configuration", user.drayage(t, "config", "drayage-sample:1").stdoutOf(t), config)
	if n := served.Take().Reads; n != 2 {
		t.Errorf("skopeo and drayage have read %d blobs of the mirror, not one each", n)
	}
	user.drayage(t, "fetch", "drayage-sample:1", "-o", filepath.Join(scratch(t), "again")).ok(t)
	equal(t, "image ID of the sample", engine.id(t, "drayage-sample:1"), here.Config.String())
}
