package results

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/test/provide"
)

const docs = "../../docs"

// binary is the command under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drayage-results-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = provide.Binary(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		return 1
	}
	return m.Run()
}

// schema is docs/results.schema.json.
func schema(t *testing.T) *jsonschema.Schema { return part(t, "") }

// part is a part of docs/results.schema.json, by its pointer.
func part(t *testing.T, pointer string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	s, err := c.Compile(filepath.Join(docs, "results.schema.json") + pointer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parse reads exactly one document.
func parse(text string) (any, error) { return jsonschema.UnmarshalJSON(strings.NewReader(text)) }

// world is a directory to work in, and a registry with images: app:1 for two platforms, with an SBOM, solo:1,
// and bad:1, which has a damaged layer.
type world struct {
	*testing.T
	dir  string
	reg  *fakeregistry.Registry
	host string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), reg: fakeregistry.New()}
	server := httptest.NewServer(w.reg)
	t.Cleanup(server.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"f": strings.Repeat("x", 5000)}))
	put := func(repo, tag, arch string) v1.Descriptor {
		im := fakeregistry.Image{Layers: []fakeregistry.Layer{layer}}
		im.Platform = v1.Platform{OS: "linux", Architecture: arch}
		im.Config.Config = v1.ImageConfig{Env: []string{"A=" + repo}, Labels: map[string]string{"l": "m"}}
		return w.reg.PutImage(repo, tag, im)
	}
	w.reg.PutIndex("app", "1", false, put("app", "", "amd64"), put("app", "", "arm64"))
	w.sign("solo", put("solo", "1", "amd64"))
	program := make([]byte, 300<<10)
	rand.NewChaCha8([32]byte{18}).Read(program)
	for _, tag := range []string{"1", "2"} {
		program[1000]++
		top := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"f": string(program)}))
		w.reg.PutImage("versions", tag, fakeregistry.Image{Layers: []fakeregistry.Layer{top},
			Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
	}
	put("bad", "1", "amd64")
	key := imagetest.NewCosignKey()
	w.reg.PutSignature("signed", key, put("signed", "1", "amd64").Digest, "corp.test/signed")
	if err := os.WriteFile(filepath.Join(w.dir, "cosign.pub"), key.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	compose := "services:\n  a:\n    image: app:1\n  b:\n    image: app:${TAG}\n"
	if err := os.WriteFile(filepath.Join(w.dir, "compose.yaml"), []byte(compose), 0o644); err != nil {
		t.Fatal(err)
	}
	w.reg.On(fakeregistry.Match{Method: "GET", Path: "/bad/blobs/"}, fakeregistry.FlipByte(20))
	return w
}

// sign adds an SBOM to an image.
func (w *world) sign(repo string, image v1.Descriptor) {
	config, blob := w.reg.PutBlob(repo, []byte("{}")), w.reg.PutBlob(repo, []byte("sbom"))
	config.MediaType, blob.MediaType = v1.MediaTypeEmptyJSON, "text/plain"
	subject := v1.Descriptor{MediaType: image.MediaType, Digest: image.Digest, Size: image.Size}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/sbom", Config: config,
		Layers: []v1.Descriptor{blob}, Subject: &subject}
	m.SchemaVersion = 2
	raw, err := json.Marshal(m)
	if err != nil {
		w.Fatal(err)
	}
	sbom := w.reg.PutManifest(repo, "", m.MediaType, raw)
	w.reg.PutIndex(repo, "sha256-"+image.Digest.Encoded(), false, sbom)
}

// run runs drayage. HOST in an argument is the registry.
func (w *world) run(line string, env ...string) (stdout string, code int) {
	w.Helper()
	stdout, _, code = w.both(line, env...)
	return stdout, code
}

// both is run with what is written to standard error.
func (w *world) both(line string, env ...string) (stdout, stderr string, code int) {
	w.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "HOST", w.host))
	cmd := exec.CommandContext(w.Context(), binary, args...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + w.dir}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if args[0] == "serve" {
		cmd.Stdout = ending{&out, cmd}
	}
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code != 0 && errs.Len() == 0 {
		w.Errorf("%s: exit code %d and no message", line, code)
	}
	return out.String(), errs.String(), code
}

// ending is the standard output of a command that goes on until it is interrupted, behind its document.
type ending struct {
	to  *bytes.Buffer
	cmd *exec.Cmd
}

func (e ending) Write(b []byte) (int, error) {
	n, err := e.to.Write(b)
	if json.Valid(e.to.Bytes()) && bytes.Contains(e.to.Bytes(), []byte(`"url"`)) {
		_ = e.cmd.Process.Signal(os.Interrupt) // it may have ended already
	}
	return n, err
}

func (w *world) must(line string) {
	w.Helper()
	if _, code := w.run(line); code != 0 {
		w.Fatalf("%s: exit code %d", line, code)
	}
}

// cases are command lines and what their documents have to hold. The world has a layout "images" and an
// archive of each format.
var cases = []struct {
	line string
	code int
	want string // a pattern
}{
	{"fetch HOST/app:1 HOST/solo:1 -o new --platform all --referrers", 0, `"transferredBytes":[1-9]`},
	{"fetch HOST/app:1 -o parts --platform linux/amd64", 0, `"platforms":\[\{"platform":"linux/amd64"\}\]`},
	{"fetch HOST/app:1 -o parts --platform all", 0, `"replacedDigest":"sha256:`},
	{"fetch HOST/app:1 HOST/nothing:1 -o new --platform all", 7, `"ok":false,"error":.*"not-found"`},
	{"fetch HOST/bad:1 -o new2 --platform linux/amd64", 6, `"code":"integrity"`},
	{"fetch HOST/app:1 HOST/solo:1 -o dry --platform all --referrers --dry-run --limit-rate 1k", 0,
		`"forecast":\[\{"of":"linux/amd64","totalBytes":[1-9].*"toMoveBytes":[1-9].*"seconds":`},
	{"fetch", 2, `"code":"usage"`},
	{"fetch HOST/app:1 -o new --bogus", 2, `"command":"fetch"`},
	{"fetch HOST/app:1 -o new --jobs many", 2, `"code":"usage"`},
	{"fetch 127.0.0.1:1/app:1 -o new", 5, `"code":"unavailable"`},
	{"save images -o a.tar --platform linux/amd64", 0, `"outputBytes":[1-9]`},
	{"save images -o b.tar --format oci --platform all --referrers", 0, `"names":\[`},
	{"save images -o a.tar --platform linux/amd64 --record a.html", 0, `"recordFiles":\["a.html","a.json"\]`},
	{"save images -o v.tar --platform linux/amd64 --volume-size 1M", 0,
		`"files":\[\{"path":"v.tar.001","sizeBytes":[1-9][0-9]*,"digest":"sha256:.*"path":"v.tar.set"`},
	{"verify v.tar.set", 0, `"volumes":\[\{"number":1,"name":"v.tar.001","sizeBytes":[0-9]*,"state":"whole"`},
	{"inspect v.tar.001", 0, `"volumes":\[\{"number":1,"name":"v.tar.001","sizeBytes":[0-9]*,"state":"here"`},
	{"save images -o oci:saved", 0, `"output":"saved"`},
	{"save HOST/app:1 -o d.tar --platform linux/amd64 --dry-run", 0,
		`"forecast":.*"blobCount":2,"disks":\[\{"path":"d.tar","neededBytes":[1-9]`},
	{"save images -o c.tar --platform all", 2, `"code":"usage"`},
	{"save images -o thin.tar --since oci.tar --platform all --referrers", 0, `"leftOut":\{"blobCount":[1-9]`},
	{"save images -o patched.tar --since oci.tar --patch --platform all", 0, `"patches":\{"layerCount":`},
	{"save thin.tar -o d.tar", 3, `"missing":\[\{"digest":"sha256:`},
	{"verify thin.tar --base oci.tar", 0, `"missing":\[\]`},
	{"verify thin.tar --base docker.tar", 3, `"ok":true.*"missing":\[\{"digest":"sha256:`},
	{"inspect thin.tar --base docker.tar", 0, `"leftOut":.*"missing":\[\{"digest":"sha256:`},
	{"push thin.tar HOST/lacking/ --want-out want.json", 3, `"missing":\[\{"digest":"sha256:.*"images":\["`},
	{"save HOST/versions:1 -o one.tar --format oci --platform linux/amd64", 0, `"ok":true`},
	{"save HOST/versions:2 -o patched.tar --since one.tar --patch --platform linux/amd64", 0,
		`"patches":\{"layerCount":1,`},
	{"verify patched.tar", 0, `"patches":\{"layerCount":1,.*"bases":\[\{"digest":"sha256:`},
	{"verify patched.tar --base docker.tar", 3, `"missing":\[\{.*"bases":\[\{"digest":"sha256:`},
	{"push docker.tar HOST/dry/ --dry-run", 0, `"uncompressedBytes":[1-9].*"dryRun":true`},
	{"push docker.tar HOST/pushed/", 0, `"reference":".*@sha256:`},
	{"push images HOST/layout/ --referrers", 0, `"destination":"`},
	{"copy HOST/app:1 HOST/dry:1 --dry-run", 0, `"toMoveBytes":0,.*"dryRun":true`},
	{"copy HOST/app:1 HOST/share:1 --shard 1/1", 0, `"shard":\{"index":1,"count":1,"imageCount":1,"allImageCount":1\}`},
	{"push nowhere.tar HOST/x/", 3, `"code":"not-found"`},
	{"push images HOST", 2, `"code":"usage"`},
	{"copy HOST/app:1 HOST/copied:1", 0, `"reference":".*@sha256:`},
	{"copy HOST/app:1 HOST/nothing:1 HOST/copied/", 7, `"ok":false,"error":`},
	{"copy HOST/app:1", 2, `"code":"usage"`},
	{"inventory HOST/app HOST/nothing images docker.tar -o far.inv --names", 0,
		`"blobCount":[1-9].*"chainCount":1,"nameCount":[1-9].*"skippedCount":1,"skipped":\[\{"image":"`},
	{"inventory nowhere.tar -o far.inv", 3, `"code":"not-found"`},
	{"mirrors images HOST/m/ --for all -o files", 2, `names no registry but`},
	{"mirrors images harbor.corp/m/ --for all -o files", 0,
		`"output":"files","mirrors":\{"hosts":\["[^"]*"\],"engines":\[\{"name":"containerd","files":\[\{"path":"containerd/`},
	{"mirrors docker.io quay.io harbor.corp --for podman", 0, `"content":"# Written by drayage mirrors`},
	{"mirrors images harbor.corp --for nothing", 2, `"code":"usage"`},
	{"keygen -o new.key --no-password", 0, `"key":\{"id":"[0-9A-F]+","file":"new.pub","public":"RW`},
	{"keygen -o new.key --no-password", 2, `"code":"usage"`},
	{"save images -o signed.tar --platform linux/amd64 --sign new.key", 0, `"signatures":\[\{"file":"signed.tar.set",`},
	{"verify images", 0, `"unreferenced":`},
	{"verify docker.tar", 0, `"platforms":\[\{"imageID":"sha256:`},
	{"verify docker.tar --record oci.json", 6, `"differences":\["image `},
	{"verify thin.tar", 0, `"absent":\["sha256:.*"leftOut":\{"blobCount":[1-9]`},
	{"repair safe.tar --dry-run", 0, `"mended":\[\{"name":"safe.tar.001".*"new":true\}\].*"dryRun":true`},
	{"repair safe.tar", 0, `"mended":\[\{"name":"safe.tar.001".*"rebuiltBlockCount":1,"new":true\}`},
	{"repair safe.tar.set", 0, `"state":"whole".*"mended":\[\]`},
	{"repair lost.tar", 6, `"mended":\[\],"neededVolumes":\[1\]`},
	{"repair nowhere.tar", 3, `"code":"not-found"`},
	{"verify broken", 6, `"faults":\[\{`},
	{"verify nowhere.tar", 3, `"code":"not-found"`},
	{"verify signed --cosign-key cosign.pub", 0,
		`"signature":\{"state":"signed","keys":\[\{"file":"cosign.pub","fingerprint":"sha256:.*"signedNames":\["`},
	{"verify images --cosign-key cosign.pub", 6, `"ok":false,"error":.*"signature":\{"state":"unsigned","reason"`},
	{"verify images --cosign-key nowhere.pub", 3, `"code":"not-found"`},
	{"push signed HOST/signed/ --cosign-key cosign.pub --require-signature", 0, `"signature":\{"state":"signed"`},
	{"push images HOST/unsigned/ --cosign-key cosign.pub --require-signature", 6, `"code":"integrity"`},
	{"serve images docker.tar --addr 127.0.0.1:0", 0, `"url":"http://127.0.0.1:[0-9]+","images":\[\{"name":"`},
	{"serve thin.tar --addr 127.0.0.1:0", 0, `"url":.*"missing":\[\{"digest":"sha256:`},
	{"serve nowhere.tar --addr 127.0.0.1:0", 3, `"code":"not-found"`},
	{"serve HOST/app:1", 2, `"code":"usage"`},
	{"inspect HOST/solo:1 --referrers", 0, `"referrers":\[\{"digest":`},
	{"inspect HOST/app:1 --platform all", 0, `"config":\{"env"`},
	{"inspect images", 0, `"layerCount":[1-9]`},
	{"inspect docker.tar", 0, `"kind":"saved"`},
	{"inspect docker.tar --record d.json", 0, `"recordFiles":\["d.html","d.json"\]`},
	{"inspect oci.tar", 0, `"kind":"index"`},
	{"inspect thin.tar --platform linux/amd64", 0, `"absent":true\}.*"leftOut":\{"blobCount":[1-9]`},
	{"inspect broken --platform linux/amd64", 7, `"code":"partly".*"images":\[.*"ok":false,"error":`},
	{"inspect HOST/nothing:1", 3, `"code":"not-found"`},
	{"ls HOST", 0, `"repositories":\[`},
	{"ls HOST/app", 0, `"tags":\["1"\]`},
	{"ls images", 0, `"blobBytes":[1-9][0-9]*,"freesBytes":[0-9]+.*"stored":\{"blobCount":[1-9]`},
	{"ls docker.tar", 0, `"images":\[\{"name":`},
	{"ls HOST/nothing", 0, `"tags":\[\]`},
	{"ls 127.0.0.1:1", 5, `"code":"unavailable"`},
	{"names compose.yaml", 7, `"places":\[\{"file":"compose.yaml","line":3,"in":"service a"\}.*"missing":true`},
	{"digest HOST/app:1 --list", 0, `"digest":"sha256:`},
	{"digest images --platform linux/arm64", 3, `"exitCode":3`},
	{"digest oci:images:HOST/app:1 --platform linux/arm64", 0, `"platforms":\[\{"platform":"linux/arm64"`},
	{"tag oci:work:HOST/solo:1 corp.test/new:2", 0, `"reference":"corp.test/new@sha256:`},
	{"tag oci:work:HOST/nothing:1 corp.test/new:2", 3, `"code":"not-found"`},
	{"rm oci:work:HOST/solo:1 oci:work:corp.test/new:2 --dry-run", 0, `"dryRun":true`},
	{"rm oci:work:HOST/solo:1 oci:work:corp.test/new:2", 0, `"unreferenced":\{"blobCount":[1-9]`},
	{"rm oci:work:HOST/solo:1", 3, `"code":"not-found"`},
	{"gc work --dry-run", 0, `"dryRun":true`},
	{"gc work", 0, `"freed":\{"blobCount":[1-9]`},
	{"gc nowhere", 3, `"code":"not-found"`},
	{"settings", 0, `"settings":\[\]`},
	{"version", 0, `"build":\{"version":"`},
	{"manifest HOST/app:1", 2, `"command":"manifest"`},
	{"nothing", 2, `"code":"usage"`},
}

func (w *world) prepare() {
	w.must("fetch HOST/app:1 HOST/solo:1 -o images --platform all --referrers")
	w.must("fetch HOST/app:1 HOST/solo:1 -o work --platform all")
	w.must("fetch HOST/signed:1 -o signed --referrers --platform all")
	w.must("save images -o docker.tar --platform linux/amd64")
	w.must("save images -o oci.tar --format oci --platform all --record oci.json")
	w.must("save images -o safe.tar --platform linux/amd64 --volume-size 1M --parity 1")
	w.must("save images -o lost.tar --platform linux/amd64 --volume-size 1M")
	for _, name := range []string{"safe.tar.001", "lost.tar.001"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			w.Fatal(err)
		}
	}
	w.must("fetch HOST/app:1 HOST/solo:1 -o broken --platform linux/amd64")
	config, _ := w.run("config oci:broken:HOST/solo:1")
	for blob := range maps.Keys(blobsOf(w.T, filepath.Join(w.dir, "broken"))) {
		raw, err := os.ReadFile(blob)
		if err == nil && string(raw) == config {
			err = os.Remove(blob)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}

func blobsOf(t *testing.T, layout string) map[string]bool {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(layout, "blobs", "sha256", "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no blobs: %v", err)
	}
	set := map[string]bool{}
	for _, b := range all {
		set[b] = true
	}
	return set
}

func TestDocumentsFollowTheSchema(t *testing.T) {
	s, w := schema(t), newWorld(t)
	w.prepare()
	for _, tc := range cases {
		stdout, code := w.run(tc.line + " --json")
		w.check(s, tc.line, stdout, code)
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(stdout)); err != nil || code != tc.code ||
			!regexp.MustCompile(tc.want).MatchString(compact.String()) {
			t.Errorf("%s: exit code %d, want %d and %s: %v\n%s", tc.line, code, tc.code, tc.want, err, stdout)
		}
	}
}

// check compares a document with the schema, and its exit code with that of the process.
func (w *world) check(s *jsonschema.Schema, line, stdout string, code int) {
	w.Helper()
	doc, err := parse(stdout)
	if err == nil {
		err = s.Validate(doc)
	}
	if err != nil {
		w.Errorf("%s: %v\n%s", line, err, stdout)
		return
	}
	if got := fmt.Sprint(doc.(map[string]any)["exitCode"]); got != fmt.Sprint(code) {
		w.Errorf("%s: the document says %s, the process %d", line, got, code)
	}
}

// Every command that takes --json is among the cases, and has an example in the documentation.
func TestEveryCommandIsTried(t *testing.T) {
	w := newWorld(t)
	help, _ := w.run("--help")
	tried, shown := map[string]bool{}, map[string]bool{}
	for _, tc := range cases {
		tried[strings.Fields(tc.line)[0]] = true
	}
	for _, e := range examples(t) {
		shown[fmt.Sprint(e["command"])] = true
	}
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^   ([a-z-]+)[, ]`).FindAllStringSubmatch(help, -1) {
		page, code := w.run(m[1] + " --help")
		if code != 0 || !strings.Contains(page, " --json ") {
			continue
		}
		n++
		if !tried[m[1]] || !shown[m[1]] {
			t.Errorf("%s --json: tried %v, in docs/json.md %v", m[1], tried[m[1]], shown[m[1]])
		}
	}
	if n < 7 {
		t.Errorf("only %d commands with --json found in:\n%s", n, help)
	}
}

// A tar on standard output leaves no room for a document, and a variable asks for one as the flag does.
func TestWhenThereIsADocument(t *testing.T) {
	s, w := schema(t), newWorld(t)
	w.prepare()
	if stdout, code := w.run("save images -o - --json --platform linux/amd64"); code != 0 ||
		strings.HasPrefix(stdout, "{") {
		t.Errorf("save -o -: exit code %d, %.40q", code, stdout)
	}
	for _, line := range []string{"ls images", "ls images --bogus"} {
		stdout, code := w.run(line, "DRAYAGE_JSON=true")
		w.check(s, line, stdout, code)
	}
	if stdout, code := w.run("ls images --json=false", "DRAYAGE_JSON=true"); code != 0 || stdout[0] == '{' {
		t.Errorf("--json=false: exit code %d, %s", code, stdout)
	}
	stdout, code := w.run("settings --json", "DRAYAGE_JOBS=3", "DRAYAGE_CREDS=ann:secret")
	w.check(s, "settings", stdout, code)
	if !strings.Contains(stdout, "DRAYAGE_JOBS") || strings.Contains(stdout, "secret") {
		t.Errorf("settings: %s", stdout)
	}
	if stdout, code := w.run("fetch --help --json"); code != 0 || !strings.HasPrefix(stdout, "NAME:") {
		t.Errorf("--help: exit code %d, %s", code, stdout)
	}
}

// An interrupted command prints a document too, with the error.
func TestInterruptedCommandPrintsADocument(t *testing.T) {
	s, w := schema(t), newWorld(t)
	reached := make(chan struct{}, 100)
	w.reg.On(fakeregistry.Match{Method: "GET", Path: "/solo/blobs/"}, func(next http.Handler) http.Handler {
		hang := fakeregistry.Hang()(next)
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			reached <- struct{}{}
			hang.ServeHTTP(rw, req)
		})
	})
	cmd := exec.CommandContext(t.Context(), binary, "fetch", w.host+"/app:1", w.host+"/solo:1", "-o", "images",
		"--json", "--platform", "linux/amd64")
	cmd.Dir, cmd.Env = w.dir, []string{"HOME=" + w.dir}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	w.check(s, "fetch", out.String(), code)
	if code != 130 || !strings.Contains(out.String(), `"code": "interrupted"`) {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}

// Every line of --progress json follows the schema, and the last one says that it is.
func TestProgressFollowsTheSchema(t *testing.T) {
	s, w := part(t, "#/$defs/progress"), newWorld(t)
	for _, line := range []string{
		"fetch HOST/app:1 -o images --platform all", "save images -o o.tar --format oci --platform all",
		"push images HOST/again/", "verify images", "copy HOST/app:1 HOST/copied:1",
	} {
		_, stderr, code := w.both(line + " --progress json")
		var last any
		for text := range strings.Lines(stderr) {
			if !strings.HasPrefix(text, "{") {
				continue // a note
			}
			doc, err := parse(text)
			if err == nil {
				last = doc.(map[string]any)["last"]
				err = s.Validate(doc)
			}
			if err != nil {
				t.Errorf("%s: %v: %s", line, err, text)
			}
		}
		if code != 0 || last != true {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}

// Every line of --log-format json follows the schema: one of a message or one of progress.
func TestMessagesFollowTheSchema(t *testing.T) {
	w := newWorld(t)
	w.prepare()
	message, progress := part(t, "#/$defs/message"), part(t, "#/$defs/progress")
	w.reg.On(fakeregistry.Match{Method: "GET", Path: "/app/manifests/", Count: 1}, fakeregistry.Status(503))
	seen := map[string]bool{}
	for _, line := range []string{
		"fetch HOST/app:1 HOST/nothing:1 HOST/solo:1 -o new --platform linux/amd64 -v", "fetch",
		"push images HOST/again/ -v", "copy HOST/app:1 HOST/copied:1 --progress json", "ls nowhere.tar",
		"verify broken", "fetch --bogus", "nothing", "inspect HOST/app:1 --json",
	} {
		_, stderr, _ := w.both(line + " --log-format json")
		for text := range strings.Lines(stderr) {
			doc, err := parse(text)
			if err != nil {
				t.Errorf("%s: %v: %s", line, err, text)
				continue
			}
			event, of := fmt.Sprint(doc.(map[string]any)["event"]), message
			if seen[event] = true; event == "progress" {
				of = progress
			}
			if err := of.Validate(doc); err != nil {
				t.Errorf("%s: %v: %s", line, err, text)
			}
		}
	}
	for _, event := range []string{"error", "image", "failed", "retry", "request", "note", "progress"} {
		if !seen[event] {
			t.Errorf("no %s among %v", event, seen)
		}
	}
}

// examples are the documents in docs/json.md.
func examples(t *testing.T) (all []map[string]any) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(docs, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n```json\n(.*?)\n```\n").FindAllSubmatch(page, -1) {
		doc, err := parse(string(m[1]))
		if err != nil {
			t.Fatalf("%v: %s", err, m[1])
		}
		all = append(all, doc.(map[string]any))
	}
	return all
}

func TestExamplesFollowTheSchema(t *testing.T) {
	s := schema(t)
	all := examples(t)
	if len(all) < 7 {
		t.Errorf("only %d examples", len(all))
	}
	for _, e := range all {
		if err := s.Validate(e); err != nil {
			t.Errorf("%v: %v", e["command"], err)
		}
	}
}

// The schema refuses what it does not know: else the other tests would say nothing.
func TestSchemaIsStrict(t *testing.T) {
	s := schema(t)
	good := `{"schema":1,"command":"digest","ok":true,"exitCode":0,"source":"a","images":[{"name":"a","ok":true}]}`
	for _, change := range [][2]string{
		{"", ""}, {`"schema":1`, `"schema":2`}, {`"exitCode":0`, `"exitCode":1`}, {`"source":"a",`, ``},
		{`"source"`, `"sauce"`}, {`"name":"a",`, ``}, {`"ok":true}`, `"ok":false}`}, {`"ok":true}`, `"ok":true,"x":1}`},
		{`"ok":true,"exit`, `"ok":false,"exit`}, {`"name":"a"`, `"name":"a","digest":"x"`},
	} {
		doc, err := parse(strings.Replace(good, change[0], change[1], 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); (err == nil) != (change[0] == "") {
			t.Errorf("%v: %v", change, err)
		}
	}
}
