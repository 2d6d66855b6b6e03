package outside

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drayage/inspect"
)

// world is a directory with the programs, a registry that wants a password, and a user's configuration that
// knows it.
type world struct {
	*testing.T
	dir string
	env []string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir()}
	w.build(".", "bin/", "./fetch", "./save", "./push", "./inspect", "./verify", "./carry", "./serve")
	w.build("..", "bin/registry", "./cmd/registry")
	home := w.path("home")
	for _, kept := range os.Environ() { // but for what would lead to other configurations
		name, _, _ := strings.Cut(kept, "=")
		if !slices.Contains([]string{"REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "CONTAINERS_REGISTRIES_CONF"},
			name) {
			w.env = append(w.env, kept)
		}
	}
	w.env = append(w.env, "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_RUNTIME_DIR="+home, "DOCKER_CONFIG="+home)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

// build compiles programs of the module in dir.
func (w *world) build(dir, to string, programs ...string) {
	w.Helper()
	if err := os.MkdirAll(w.path("bin"), 0o755); err != nil {
		w.Fatal(err)
	}
	out := w.path(to)
	if strings.HasSuffix(to, "/") {
		out += string(filepath.Separator)
	}
	cmd := exec.CommandContext(w.Context(), "go", append([]string{"build", "-o", out}, programs...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("go build %v: %v\n%s", programs, err, out)
	}
}

// registry starts distribution 3, which wants a password, and returns its address.
func (w *world) registry(user, password string) string {
	w.Helper()
	return w.start("registry", "-user", user, "-password", password)
}

// start starts a program that runs until its standard input ends, and returns the address that it prints.
func (w *world) start(name string, args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), w.path("bin/"+name), args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		w.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// write makes a file and its directories.
func (w *world) write(name, text string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// run runs a program in the directory and returns what it prints, and whether it succeeds.
func (w *world) run(name string, args ...string) (stdout, stderr string, ok bool) {
	cmd := exec.CommandContext(w.Context(), w.path("bin/"+name), args...)
	var out, errs strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, &out, &errs
	err := cmd.Run()
	return out.String(), errs.String(), err == nil
}

// must is run for what has to succeed.
func (w *world) must(name string, args ...string) string {
	w.Helper()
	out, errs, ok := w.run(name, args...)
	if !ok {
		w.Fatalf("%s %v: %s%s", name, args, out, errs)
	}
	return out
}

// TestPrograms moves an image along every way. The programs know the registry as corp.test: only the host
// file says where that is, and only config.json has its password.
func TestPrograms(t *testing.T) {
	w := newWorld(t)
	addr := w.registry("ann", "secret")
	w.write("home/containerd/certs.d/corp.test/hosts.toml", `server = "http://`+addr+`"`)
	makeLayout(t, w.path("made"), "docker.io/library/hello:1")

	if _, errs, ok := w.run("push", "made", "corp.test/hello:1"); ok || !strings.Contains(errs, "user name") {
		t.Errorf("without a password: %v, %s", ok, errs)
	}
	w.write("home/config.json", `{"auths":{"`+addr+`":{"username":"ann","password":"secret"}}}`)
	w.must("push", "made", "corp.test/hello:1")
	w.must("fetch", "layout", "corp.test/hello:1")
	w.must("verify", "layout")
	w.must("save", "layout", "docker.tar", "oci.tar")
	want := w.inspect("corp.test/hello:1")
	for _, archive := range []string{"docker.tar", "oci.tar"} {
		w.must("verify", archive)
		name, _, _ := strings.Cut(archive, ".")
		w.must("push", archive, "corp.test/from-"+name+":1")
		got := w.inspect("corp.test/from-" + name + ":1")
		if got.Platforms[0].ID != want.Platforms[0].ID {
			t.Errorf("%s: image ID %s, not %s", archive, got.Platforms[0].ID, want.Platforms[0].ID)
		}
		if name == "oci" && got.Digest != want.Digest {
			t.Errorf("%s: digest %s, not %s", archive, got.Digest, want.Digest)
		}
	}
	carried := w.must("carry", "corp.test/hello:1", "corp.test/carried:1")
	if want := "corp.test/carried@" + string(want.Digest); !strings.Contains(carried, want) {
		t.Errorf("carry says %q, not %q", carried, want)
	}
	served := w.inspect(w.start("serve", w.path("layout")) + "/corp.test/hello:1")
	if served.Digest != want.Digest {
		t.Errorf("served: digest %s, not %s", served.Digest, want.Digest)
	}
	w.damage("oci.tar", "a file in a layer")
	if _, errs, ok := w.run("verify", "oci.tar"); ok || !strings.Contains(errs, "sha256:") {
		t.Errorf("a damaged tar: %v, %s", ok, errs)
	}
}

func (w *world) inspect(name string) (found inspect.Image) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.must("inspect", name)), &found); err != nil {
		w.Fatal(err)
	}
	if len(found.Platforms) != 1 || found.Platforms[0].ID == "" {
		w.Fatalf("%s has the platforms %v", name, found.Platforms)
	}
	return found
}

// damage changes a byte of text in a file.
func (w *world) damage(name, text string) {
	w.Helper()
	raw, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	at := strings.Index(string(raw), text)
	if at < 0 {
		w.Fatalf("%s does not hold %q", name, text)
	}
	raw[at] ^= 1
	if err := os.WriteFile(w.path(name), raw, 0o600); err != nil {
		w.Fatal(err)
	}
}

// The README shows one of the programs, as it is.
func TestReadmeShowsCarry(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("carry", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "func main() {")
	program, _, _ = strings.Cut(program, "\n}\n")
	if lines := strings.Count(program, "\n"); lines != 12 {
		t.Errorf("it has %d lines, not twelve", lines)
	}
	if !strings.Contains(string(readme), "func main() {"+program+"\n}\n") {
		t.Error("README.md has another program")
	}
}
