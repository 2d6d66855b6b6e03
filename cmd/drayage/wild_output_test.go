package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
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

	"drayage/internal/fakeregistry"
)

// Wild case 18: Helm's users write oci://, those of browsers https://.
// What names a registry and no repository is no image of Docker Hub.
func TestWild17RegistryAsImage(t *testing.T) {
	s := newHandMade(t)
	s.write(entry(s.image("amd64", "17"), "io.containerd.image.name", "x.test/a:1"))
	out := filepath.Join(t.TempDir(), "out")
	for _, name := range []string{s.host, "localhost:5000", "registry.test:5000", "oci://registry.test:5000"} {
		for _, args := range [][]string{
			{"push", s.dir.Path(), name}, {"fetch", name, "-o", out}, {"save", name, "-o", out},
			{"inspect", name}, {"digest", name}, {"manifest", name}, {"config", name},
		} {
			expect(t, exitUsage, "", "(names|looks like) a registry: .*give .*/REPOSITORY:TAG", args...)
		}
	}
	expect(t, 0, "", "", "ls", s.host)
	expect(t, 0, "@sha256:", "", "push", "--registry", "http://"+s.host+"/", s.dir.Path(), s.host+"/b:1")
}

func TestWild18SchemeBeforeName(t *testing.T) {
	_, host := lookingRegistry(t)
	dir := filepath.Join(t.TempDir(), "images")
	for _, scheme := range []string{"oci://", "https://", "http://", "docker://"} {
		name := scheme + host + "/solo:1"
		for _, args := range [][]string{
			{"fetch", name, "-o", dir}, {"save", name, "-o", dir + ".tar"}, {"inspect", name}, {"digest", name},
			{"manifest", name}, {"config", name}, {"ls", scheme + host + "/solo"},
			{"push", dir, scheme + host + "/new/"},
			{"push", dir, scheme + host + "/other:2"}, {"fetch", name, "-o", dir, "--registry", "http://" + host},
		} {
			if stdout, stderr, code := command(t, args...); code != 0 {
				t.Errorf("%v: %d, %s%s", args, code, stdout, stderr)
			}
		}
	}
}

// unprintable is what terminals obey, and what reorders or hides text.
const unprintable = "\x1b]0;x\a\u009b31m\u202e\u2066\u200b\u2028\nforged: line"

// checkPrintable fails if a command has written what a terminal obeys, or a line that a name has forged.
func checkPrintable(t *testing.T, what, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\x1b\a\u009b\u202e\u2066\u200b\u2028") || strings.Contains(text, "\nforged") {
		t.Errorf("%s: raw in %q", what, text)
	}
}

// Wild case 43: names, platforms, labels and hosts from elsewhere hold what a terminal obeys.
func TestWild43NothingForTerminalsToObey(t *testing.T) {
	reg, host := lookingRegistry(t)
	config := reg.PutBlob("evil", mustJSON(t, v1.Image{
		Author: unprintable, Platform: v1.Platform{OS: "linux" + unprintable, Architecture: "amd64"},
		Config: v1.ImageConfig{
			Labels: map[string]string{"k": unprintable}, Env: []string{unprintable}, Cmd: []string{unprintable},
		},
	}))
	config.MediaType = v1.MediaTypeImageConfig
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config}
	m.SchemaVersion = 2
	reg.PutManifest("evil", "image", m.MediaType, mustJSON(t, m))
	child := v1.Descriptor{MediaType: m.MediaType, Digest: config.Digest, Size: 9,
		Platform: &v1.Platform{OS: "a" + unprintable, Architecture: "b", Variant: unprintable}}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{child}}
	index.SchemaVersion = 2
	reg.PutManifest("evil", "index", index.MediaType, mustJSON(t, index))
	reg.On(fakeregistry.Match{Path: "/evil/manifests/error"}, fakeregistry.Answer(400, unprintable))
	reg.On(fakeregistry.Match{Path: "/evil/manifests/moved"}, fakeregistry.Answer(307, "", "Location",
		"https://a\u009b\u202eb.invalid/v2/"))
	reg.On(fakeregistry.Match{Path: "/evil/manifests/realm"}, fakeregistry.Answer(401, "", "WWW-Authenticate",
		"Bearer realm=\"http://a\u009b\u202eb.invalid/\""))
	out := filepath.Join(t.TempDir(), "x"+unprintable)
	for _, tag := range []string{"image", "index", "error", "moved", "realm"} {
		name := host + "/evil:" + tag
		for _, args := range [][]string{
			{"fetch", name, "-o", out}, {"fetch", name, "-o", out, "--platform", "linux/amd64", "--json"},
			{"save", name, "-o", out + ".tar"}, {"save", name, "-o", out + ".tar", "--json"},
			{"inspect", name}, {"inspect", name, "--json"}, {"inspect", name, "--platform", "all"},
			{"digest", name}, {"ls", out}, {"ls", out, "--json"}, {"verify", out, "--json"},
			{"push", out, host + "/p/"},
		} {
			stdout, stderr, _ := command(t, args...)
			checkPrintable(t, fmt.Sprint(args), stdout+stderr)
			if args[len(args)-1] == "--json" && stdout != "" && !json.Valid([]byte(stdout)) {
				t.Errorf("%v: no JSON: %s", args, stdout)
			}
		}
	}
	for _, args := range [][]string{
		{unprintable}, {"fetch", "--" + unprintable}, {"save", out, "-o", unprintable + "/y"},
		{"fetch", "a", "--from", unprintable}, {"inspect", unprintable},
	} {
		_, stderr, _ := command(t, args...)
		checkPrintable(t, fmt.Sprint(args), stderr)
	}
	if stdout, _, _ := command(t, "config", host+"/evil:image"); !strings.Contains(stdout, "\u202e") {
		t.Errorf("the raw configuration is not as it was: %q", stdout)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Wild case 44: people write passwords where none belongs.
func TestWild44NoPasswordInMessages(t *testing.T) {
	reg, host := lookingRegistry(t)
	echo := func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		w.WriteHeader(400)
		fmt.Fprintln(w, user, password, req.Header.Get("Authorization"))
	}
	server := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(server.Close)
	reg.RequireBasic("ann", "other")
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("bob:hunter2@corp.test/app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	echoes := strings.TrimPrefix(server.URL, "http://")
	for _, args := range [][]string{
		{"fetch", "bob:hunter2@corp.test/app", "-o", dir},
		{"fetch", "https://bob:hunter2@corp.test/app", "-o", dir},
		{"save", "bob:hunter2@corp.test/app", "-o", "x.tar"}, {"inspect", "oci://bob:hunter2@corp.test/app"},
		{"ls", "https://bob:hunter2@corp.test/app"}, {"digest", "bob:hunter2@corp.test/app:1@sha256:12"},
		{"push", dir, "bob:hunter2@corp.test/app"}, {"push", dir, "https://bob:hunter2@corp.test/app/"},
		{"verify", "bob:hunter2@corp.test/app"}, {"blob", "bob:hunter2@corp.test/app@sha256:12"},
		{"fetch", "--from", list, "-o", dir}, {"save", dir, "-o", "x.tar", "--tag", "bob:hunter2@corp.test/app"},
		{"login", "-phunter2", host}, {"login", "--passwordhunter2", host}, {"login", "bob:hunter2@corp.test"},
		{"login", "-u", "bob", "--password-stdin=hunter2", host}, {"login", "-u", "bob", "-p", "hunter2", host},
		{"login", "-u", "bob", "-p", "hunter2", echoes}, {"push", "--credsbob:hunter2", dir, host},
		{"fetch", "--creds", "bob:hunter2", host + "/solo:1", "-o", dir},
		{"fetch", "--creds", "bob:hunter2", echoes + "/solo:1", "-o", dir, "--json"},
		{"fetch", "--creds", "hunter2", host + "/solo:1", "-o", dir},
		{"fetch", "--registry", "https://bob:hunter2@[", "app", "-o", dir},
		{"fetch", "--mirror", "ftp://bob:hunter2@corp.test", "app", "-o", dir},
		{"fetch", "--mirror", "https://hunter2@corp.test:x", "app", "-o", dir},
		{"https://bob:hunter2@corp.test/app"}, {"-phunter2", "login"},
		{"fetch", "--ca-file", "a:hunter2@b", "x", "-o", dir},
	} {
		stdout, stderr, code := command(t, args...)
		if code == 0 || stderr == "" {
			t.Errorf("%v: %d, %q", args, code, stderr)
		}
		for _, secret := range []string{"hunter2", "Ym9iOmh1bnRlcjI"} { // plain, and in Basic's base64
			if strings.Contains(stdout+stderr, secret) {
				t.Errorf("%v: %s%s", args, stdout, stderr)
			}
		}
	}
}

// Wild case 45: what net/http logs on its own.
func TestWild45NobodyElseLogs(t *testing.T) {
	lookingRegistry(t)
	var b strings.Builder
	old := log.Writer()
	log.SetOutput(&b)
	t.Cleanup(func() { log.SetOutput(old) })
	command(t, "verify", "none.tar", "-q")
	log.Print("Unsolicited response received on idle HTTP channel")
	if b.Len() > 0 || log.Writer() != io.Discard {
		t.Errorf("%q reaches the user", b.String())
	}
}

// Wild case 21: zeros behind the end of compressed layers and archives.
func TestWild21ZerosBehindTheEnd(t *testing.T) {
	w := newWildLayout(t)
	plain := fakeregistry.Tar(map[string]string{"file": strings.Repeat("content ", 1000)})
	zeros := make([]byte, 10240)
	packed := map[string][]byte{
		v1.MediaTypeImageLayerGzip: fakeregistry.GzipLayer(plain).Content,
		v1.MediaTypeImageLayerZstd: fakeregistry.ZstdLayer(plain).Content,
	}
	for mediaType, content := range packed {
		layer := w.put(mediaType, slices.Concat(content, zeros))
		config := w.putJSON(v1.MediaTypeImageConfig, amd64(digest.FromBytes(plain)))
		w.manifest(mediaType[len(mediaType)-4:]+":1", v1.MediaTypeImageManifest, config, layer)
	}
	reg := fakeregistry.New()
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	out := filepath.Join(t.TempDir(), "saved")
	runs := [][]string{{"verify", w.dir.Path()}, {"push", w.dir.Path(), host + "/"}, {"inspect", w.dir.Path()}}
	for i, args := range [][]string{{}, {"--format", "oci"}, {"--compress", "gzip"}, {"--compress", "zstd"}} {
		file := out + strconv.Itoa(i)
		runs = append(runs, append([]string{"save", w.dir.Path(), "-o", file}, args...), []string{"pad", file},
			[]string{"verify", file}, []string{"inspect", file}, []string{"push", file, host + "/again/"})
	}
	for _, args := range runs {
		if args[0] == "pad" {
			f, err := os.OpenFile(args[1], os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.Write(zeros)
			f.Close()
		} else if stdout, stderr, code := command(t, args...); code != 0 {
			t.Errorf("%v: %d, %s%s", args, code, stdout, stderr)
		}
	}
}

// Wild case 19: two registries with one path.
func TestWild19KeepHost(t *testing.T) {
	w := newWildLayout(t)
	for _, host := range []string{"docker.io", "Ghcr.io", "localhost:5000", "[::1]:5000"} {
		layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, host)
		m := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
		if _, err := w.dir.Tag(t.Context(), m, host+"/team/app:1", "1"); err != nil {
			t.Fatal(err)
		}
	}
	reg := fakeregistry.New()
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	_, stderr, code := command(t, "push", w.dir.Path(), host+"/m/")
	if code != exitUsage || !strings.Contains(stderr, "--keep-host") {
		t.Errorf("collision: %d, %s", code, stderr)
	}
	if _, stderr, code = command(t, "push", w.dir.Path(), host+"/m", "--keep-host"); code != exitUsage {
		t.Errorf("no prefix: %d, %s", code, stderr)
	}
	for _, dest := range []string{host + "/m/", "https://" + host + "/m/"} {
		stdout, stderr, code := command(t, "push", w.dir.Path(), dest, "--keep-host")
		if code != 0 || strings.Count(stdout, "\n") != 4 {
			t.Errorf("push: %d, %s%s", code, stdout, stderr)
		}
	}
	for _, path := range []string{"docker.io", "ghcr.io", "localhost-5000", "1--5000"} {
		if _, found := reg.Tag("m/"+path+"/team/app", "1"); !found {
			t.Errorf("nothing is in m/%s", path)
		}
	}
}
