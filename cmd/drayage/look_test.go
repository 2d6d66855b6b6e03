package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

// lookingRegistry is a registry with the images of fill, and the digests of their layers.
func lookingRegistry(t *testing.T) (reg *fakeregistry.Registry, host string) {
	t.Helper()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"} {
		t.Setenv(name, t.TempDir())
	}
	reg = fakeregistry.New()
	fill(reg)
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	return reg, strings.TrimPrefix(server.URL, "http://")
}

func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(append([]string{"drayage"}, args...), os.Stdin, &out, &errs)
	return out.String(), errs.String(), code
}

// Whoever looks at an image downloads no layer, and costs a metered registry no more pulls than needed.
func TestLookingIsCheap(t *testing.T) {
	reg, host := lookingRegistry(t)
	image := host + "/team/app:1"
	for _, tc := range []struct {
		args             []string
		manifests, blobs int // GET requests
	}{
		{[]string{"inspect", image}, 4, 0},
		{[]string{"inspect", image, "--json"}, 4, 3},
		{[]string{"inspect", image, "--platform", "linux/arm64"}, 2, 1},
		{[]string{"config", image, "--platform", "linux/arm64"}, 2, 1},
		{[]string{"manifest", image}, 1, 0},
		{[]string{"manifest", image, "--platform", "linux/arm64"}, 2, 0},
		{[]string{"digest", image, "--platform", "linux/arm64"}, 1, 0},
		{[]string{"digest", image, "--list"}, 0, 0},
		{[]string{"digest", host + "/solo:1"}, 1, 0},
		{[]string{"ls", host + "/team/app"}, 0, 0},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			reg.Reset()
			if _, stderr, code := command(t, tc.args...); code != 0 {
				t.Fatal(stderr)
			}
			if n := len(reg.Requests("GET", "/manifests/")); n != tc.manifests {
				t.Errorf("%d manifests, want %d", n, tc.manifests)
			}
			if n := len(reg.Requests("GET", "/blobs/")); n != tc.blobs {
				t.Errorf("%d blobs, want %d", n, tc.blobs)
			}
			for _, e := range reg.Requests("", "/blobs/") {
				_, d, _ := strings.Cut(e.Path, "/blobs/")
				if !bytes.HasPrefix(reg.Blob("team/app", digest.Digest(d)), []byte("{")) {
					t.Errorf("%s %s is no configuration", e.Method, e.Path)
				}
			}
		})
	}
}

// What comes from a registry is resolved once and downloaded once, also for a stream, which reads everything
// twice.
func TestSaveResolvesOnce(t *testing.T) {
	reg, host := lookingRegistry(t)
	for _, args := range [][]string{{"-o", "-"}, {"-o", "-", "--compress", "gzip", "-j", "1"},
		{"-o", "-", "--format", "oci"}} {
		reg.Reset()
		if _, stderr, code := command(t, append([]string{"save", host + "/solo:1", "-q"}, args...)...); code != 0 {
			t.Fatal(stderr)
		}
		if n := len(reg.Requests("GET", "/manifests/")); n != 1 {
			t.Errorf("%v: %d manifests", args, n)
		}
		seen := map[string]bool{}
		for _, e := range reg.Requests("GET", "/blobs/") {
			if seen[e.Path+e.Range()] {
				t.Errorf("%v: %s is read twice", args, e.Path)
			}
			seen[e.Path+e.Range()] = true
		}
	}
}

func TestInspectShowsThePullQuota(t *testing.T) {
	reg, host := lookingRegistry(t)
	reg.On(fakeregistry.Match{Method: "HEAD", Path: "/manifests/"},
		fakeregistry.Header("RateLimit-Limit", "100;w=21600", "RateLimit-Remaining", "76;w=21600",
			"Docker-RateLimit-Source", "203.0.113.7"))
	stdout, _, code := command(t, "inspect", host+"/solo:1")
	if code != 0 ||
		!strings.HasSuffix(stdout, "\n\npull quota: 76 of 100 left, granted per 6 h, counted for 203.0.113.7\n") {
		t.Errorf("%d: %s", code, stdout)
	}
	stdout, _, _ = command(t, "inspect", host+"/solo:1", "--json")
	if !strings.Contains(stdout, `"pullQuota": {
    "limit": 100,
    "remaining": 76,
    "windowSeconds": 21600,
    "source": "203.0.113.7"
  }`) {
		t.Error(stdout)
	}
}

// A layout may hold nothing but what belongs to images elsewhere: it is an image then.
func TestLookingAtReferrersAlone(t *testing.T) {
	_, host := lookingRegistry(t)
	dir := filepath.Join(t.TempDir(), "images")
	if _, stderr, code := command(t, "fetch", host+"/solo:1", "-o", dir, "-q"); code != 0 {
		t.Fatal(stderr)
	}
	index := filepath.Join(dir, "index.json")
	raw, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	raw = regexp.MustCompile(`"annotations": *{[^}]*}`).ReplaceAll(raw,
		[]byte(`"annotations":{"io.containerd.manifest.subject":"`+digest.FromString("x").String()+`"}`))
	if err := os.WriteFile(index, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"manifest", "config", "inspect", "digest", "ls", "verify"} {
		if stdout, stderr, code := command(t, verb, dir); code != 0 || stdout == "" {
			t.Errorf("%s: %d, %s", verb, code, stderr)
		}
	}
}

// A registry's word for a digest is not asked for where the user has given one.
func TestDigestOfADigest(t *testing.T) {
	reg, host := lookingRegistry(t)
	right, _ := reg.Tag("solo", "1")
	reg.On(fakeregistry.Match{Path: "/manifests/"},
		fakeregistry.Header("Docker-Content-Digest", digest.FromString("a lie").String()))
	name := host + "/solo@" + right.Digest.String()
	for _, args := range [][]string{{"digest", name}, {"digest", name, "--list"}} {
		if stdout, stderr, code := command(t, args...); code != 0 || stdout != name+"\n" {
			t.Errorf("%v: %d, %q, %s", args, code, stdout, stderr)
		}
	}
}

// An archive that lacks a configuration has no image ID to find its image by.
func TestImageWithoutAnIDIsNotFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd.tar")
	tar := imagetest.Tar(map[string]string{"manifest.json": `[{"Config":"c","RepoTags":["a:1"],"Layers":[]}]`})
	if err := os.WriteFile(path, tar, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, "verify", "docker-archive:"+path+":b:1")
	if code == 0 || !strings.Contains(stderr, "b:1") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
