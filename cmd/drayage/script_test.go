package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"drayage": main})
}

// leakless fails the tests if a goroutine outlives them.
type leakless struct{ *testing.M }

func (l leakless) Run() int {
	os.Setenv("DRAYAGE_CONFIG", os.DevNull) // what this user has set is no part of the tests
	os.Setenv("GORACE", raceExit)
	code := l.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the real command line against registries in memory. Each script has: REG with the images
// of fill, LOCKED with the same behind a password, TOKEN behind a token server with the same password, and
// BROKEN with images that are not in order.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tarlist":    tarlist,
			"has":        has,
			"large":      putLarge,
			"reverse":    reverseTar,
			"contradict": contradict,
			"lack":       lack,
			"rmforeign":  rmForeign,
			"asked":      asked,
			"unpack":     unpack,
			"untar":      untar,
			"spoil":      spoil,
			"sign":       signImage,
			"stall":      stall,
			"heal":       heal,
			"serve":      startServing,
			"said":       servingSaid,
			"hangup":     hangUp,
			"unserve":    stopServing,
			"patched":    patched,
			"ranges":     ranges,
			"twist":      twist,
			"versions":   putVersions,
			"samedigest": sameDigest,
			"cutoff":     cutOff,
			"truncate": func(ts *testscript.TestScript, _ bool, args []string) {
				path := ts.MkAbs(args[0])
				fi, err := os.Stat(path)
				ts.Check(err)
				ts.Check(os.Truncate(path, fi.Size()/2))
			},
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// raceExit is for programs that the tests start. With the race detector each would sleep for a second before
// it ends, which makes minutes for the scripts.
const raceExit = "atexit_sleep_ms=0"

func setup(e *testscript.Env) error {
	e.Setenv("GORACE", raceExit)
	open, locked, token, broken := fakeregistry.New(), fakeregistry.New(), fakeregistry.New(), fakeregistry.New()
	fill(open)
	fill(locked)
	locked.RequireBasic("ann", "secret")
	fill(token)
	tokens := &fakeregistry.Tokens{Users: map[string]string{"ann": "secret"}}
	tokenServer := httptest.NewServer(tokens)
	e.Defer(tokenServer.Close)
	token.RequireToken(tokens, tokenServer.URL)
	breakImages(broken)
	for name, r := range map[string]*fakeregistry.Registry{"REG": open, "LOCKED": locked, "TOKEN": token,
		"BROKEN": broken} {
		server := httptest.NewServer(r)
		e.Defer(server.Close)
		e.Setenv(name, strings.TrimPrefix(server.URL, "http://"))
	}
	elsewhere := fakeregistry.New()
	layers := httptest.NewServer(elsewhere)
	e.Defer(layers.Close)
	e.Setenv("ELSEWHERE", strings.TrimPrefix(layers.URL, "http://"))
	fillForeign(open, elsewhere, layers.URL)
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("HOME", home)
	e.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	e.Setenv("DOCKER_CONFIG", filepath.Join(home, "docker"))
	e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
	e.Values["REG"], e.Values["LOCKED"], e.Values["BROKEN"] = open, locked, broken
	e.Values["SERVING"] = map[string]*serving{}
	e.Values["KEYS"] = map[string]imagetest.CosignKey{}
	return os.MkdirAll(home, 0o755)
}

// fill puts in app:1 (an index for three platforms that share a layer), solo:1 (one platform, OCI types),
// base:1 (the shared layer alone), packed:1 (a layer in zstd on that) and arm:1 (for arm64 only).
func fill(r *fakeregistry.Registry) {
	base := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"base": strings.Repeat("base ", 40_000)}))
	image := func(repo, tag, arch string, docker bool, more ...fakeregistry.Layer) v1.Descriptor {
		return r.PutImage(repo, tag, fakeregistry.Image{
			Platform: v1.Platform{OS: "linux", Architecture: arch}, Docker: docker,
			Layers: append([]fakeregistry.Layer{base}, more...),
		})
	}
	var children []v1.Descriptor
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		top := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"bin/app": "program for " + arch}))
		children = append(children, image("team/app", "", arch, true, top))
	}
	r.PutIndex("team/app", "1", true, children...)
	solo := image("solo", "1", "amd64", false,
		fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"solo": "solo"})))
	image("base", "1", "amd64", true)
	image("arm", "1", "arm64", false)
	image("packed", "1", "amd64", false,
		fakeregistry.ZstdLayer(fakeregistry.Tar(map[string]string{"packed": "zstd"})))
	addSBOM(r, "solo", solo)
	fillOld(r)
}

// addSBOM gives an image what may belong to one: an SBOM that names it as its subject, listed in the tag that
// stands in for the referrers API, a signature of that SBOM, and a signature under cosign's tag.
func addSBOM(r *fakeregistry.Registry, repo string, image v1.Descriptor) {
	artifact := func(tag, kind string, subject *v1.Descriptor) v1.Descriptor {
		blob := r.PutBlob(repo, []byte(kind))
		config := r.PutBlob(repo, []byte("{}"))
		config.MediaType, blob.MediaType = v1.MediaTypeEmptyJSON, "text/plain"
		m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: kind, Config: config,
			Layers: []v1.Descriptor{blob}, Subject: subject}
		m.SchemaVersion = 2
		raw, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return r.PutManifest(repo, tag, v1.MediaTypeImageManifest, raw)
	}
	plain := func(d v1.Descriptor) v1.Descriptor {
		return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	}
	subject := plain(image)
	sbom := plain(artifact("", "application/sbom", &subject))
	r.PutIndex(repo, "sha256-"+image.Digest.Encoded(), false, sbom)
	r.PutIndex(repo, "sha256-"+sbom.Digest.Encoded(), false, plain(artifact("", "application/signature", &sbom)))
	artifact("sha256-"+image.Digest.Encoded()+".sig", "application/cosign", nil)
}

// breakImages puts in flipped:1 (a byte of a layer is wrong), once:1 and once:2 (it is wrong the first
// time), short:1 (a layer ends early) and diffid:1 (a layer is not what the configuration says).
func breakImages(r *fakeregistry.Registry) {
	content := fakeregistry.Tar(map[string]string{"file": strings.Repeat("content ", 9_000)})
	put := func(repo string, l fakeregistry.Layer) {
		r.PutImage(repo, "1", fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
			Layers: []fakeregistry.Layer{l}})
	}
	put("flipped", fakeregistry.GzipLayer(content))
	put("short", fakeregistry.GzipLayer(content))
	wrong := fakeregistry.GzipLayer(content)
	wrong.DiffID = digest.FromString("something else")
	put("diffid", wrong)
	whole := func(req *http.Request) bool { return req.Header.Get("Range") == "" }
	for _, tag := range []string{"1", "2"} {
		l := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": strings.Repeat("content "+tag,
			9_000)}))
		r.PutImage("once", tag, fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
			Layers: []fakeregistry.Layer{l}})
		r.On(fakeregistry.Match{Method: "GET", Path: "/once/blobs/" + digest.FromBytes(l.Content).String(),
			Func: whole, Count: 1}, fakeregistry.FlipByte(100))
	}
	layer := func(repo string) fakeregistry.Match {
		return fakeregistry.Match{Method: "GET", Path: "/" + repo + "/blobs/" + layerDigest(content)}
	}
	r.On(layer("flipped"), fakeregistry.FlipByte(100))
	r.On(layer("short"), fakeregistry.Short(100))
}

func layerDigest(content []byte) string {
	return digest.FromBytes(fakeregistry.GzipLayer(content).Content).String()
}

// tarlist FILE prints the names of a tar's entries, sorted, with digits of layer directories cut off.
func tarlist(ts *testscript.TestScript, _ bool, args []string) {
	raw := ts.ReadFile(args[0])
	r := tar.NewReader(bytes.NewReader([]byte(raw)))
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		name := h.Name
		if len(name) > 64 && !strings.Contains(name[:64], "/") && !strings.Contains(name[:64], ".") {
			name = "ID" + name[64:]
		}
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintln(ts.Stdout(), strings.Join(names, "\n"))
}

// stall REGISTRY PATH [FIRST] makes answers to GET below a path stop in the middle, from the FIRST on.
func stall(ts *testscript.TestScript, _ bool, args []string) {
	r, first := ts.Value(args[0]).(*fakeregistry.Registry), 1
	if len(args) > 2 {
		var err error
		first, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	r.On(fakeregistry.Match{Method: "GET", Path: args[1], First: first}, fakeregistry.Stall(100))
}

// heal REGISTRY takes back what stall has done.
func heal(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value(args[0]).(*fakeregistry.Registry).Heal()
}

// has REGISTRY REPOSITORY TAG fails unless the registry in memory has the tag; "! has" the other way round.
func has(ts *testscript.TestScript, neg bool, args []string) {
	r, ok := ts.Value(args[0]).(*fakeregistry.Registry)
	if !ok {
		ts.Fatalf("no registry %q", args[0])
	}
	if _, found := r.Tag(args[1], args[2]); found == neg {
		ts.Fatalf("%s:%s in %s: %v", args[1], args[2], args[0], found)
	}
}
