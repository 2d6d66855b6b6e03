//go:build linux

package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
	"drayage/test/registry3"
)

// world is a registry behind faults and a directory in which commands run.
type world struct {
	*testing.T
	*faultreg.Server
	dir      string
	registry atomic.Pointer[fakeregistry.Registry]
	other    atomic.Pointer[registry3.Server] // answers in place of registry; nil: it does not
	serving  atomic.Int64                     // requests that are being answered
	over     chan struct{}                    // closed when a command that was to be stopped has ended
}

// newWorld starts an empty registry beside an empty directory.
func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), over: make(chan struct{})}
	w.registry.Store(fakeregistry.New())
	w.Server = faultreg.Start(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w.serving.Add(1)
		defer w.serving.Add(-1)
		if o := w.other.Load(); o != nil {
			o.Handler().ServeHTTP(rw, req)
			return
		}
		w.registry.Load().ServeHTTP(rw, req)
	}), false)
	t.Cleanup(w.Close)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) ref(name string) string { return w.Addr() + "/" + name }

// write makes a file and the directories above it.
func (w *world) write(name string, content []byte) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), content, 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *world) read(name string) []byte {
	w.Helper()
	raw, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// platform is that of the images here, so that they are taken without being asked for.
var platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// put stores an image with layers of about these sizes, which hardly compress. One name gives the same bytes
// each time.
func (w *world) put(name string, sizes ...int) v1.Descriptor {
	return w.registry.Load().PutImage(name, "1",
		fakeregistry.Image{Platform: platform, Layers: layers(name, sizes...)})
}

var made sync.Map // layers by what they are made of: compressing takes its time

func layers(name string, sizes ...int) (all []fakeregistry.Layer) {
	key := fmt.Sprint(name, sizes)
	if known, ok := made.Load(key); ok {
		return known.([]fakeregistry.Layer)
	}
	defer func() { made.Store(key, all) }()
	for i, size := range sizes {
		content := make([]byte, size)
		rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))).Read(content)
		all = append(all,
			fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{fmt.Sprintf("file%d", i): string(content)})))
	}
	return all
}

// putPlatforms stores an index of two platforms.
func (w *world) putPlatforms(name string, size int) v1.Descriptor {
	reg := w.registry.Load()
	other := v1.Platform{OS: "linux", Architecture: "s390x"}
	a := reg.PutImage(name, "", fakeregistry.Image{Platform: platform, Layers: layers(name+" a", size)})
	b := reg.PutImage(name, "", fakeregistry.Image{Platform: other, Layers: layers(name+" b", size)})
	return reg.PutIndex(name, "1", false, a, b)
}

// result is what one run did.
type result struct {
	args   []string
	code   int // -1: it was killed
	stdout string
	stderr string
}

func (r result) String() string {
	return fmt.Sprintf("%s: exit %d: %s", strings.Join(r.args, " "), r.code, strings.TrimSpace(r.stderr))
}

// commandTimeout ends a run that hangs; nothing is measured by it.
const commandTimeout = 2 * time.Minute

// command prepares a run of any tool that sees nothing of this machine's configuration.
func (w *world) command(argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.Context(), argv[0], argv[1:]...)
	w.isolate(cmd)
	return cmd
}

func (w *world) isolate(cmd *exec.Cmd) {
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + w.dir,
		"DOCKER_CONFIG=" + w.path("docker"),
		"XDG_CACHE_HOME=" + w.path("cache"), "XDG_CONFIG_HOME=" + w.path("config"), "XDG_RUNTIME_DIR=" + w.dir,
		"TMPDIR=" + w.dir}
	cmd.WaitDelay = 5 * time.Second
}

// drayage runs it to its end.
func (w *world) drayage(args ...string) result {
	w.Helper()
	return w.finish(w.command(append([]string{binary}, args...)...))
}

// finish runs a command, or ends it when it hangs.
func (w *world) finish(cmd *exec.Cmd) result {
	w.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	watchdog := time.AfterFunc(commandTimeout, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	cmd.Wait() // the exit code tells
	return result{args: cmd.Args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(),
		stderr: stderr.String()}
}

// must runs drayage, which must succeed.
func (w *world) must(args ...string) result {
	w.Helper()
	r := w.drayage(args...)
	if r.code != 0 {
		w.Fatalf("%s", r)
	}
	return r
}

// snapshot is all that is below a directory: the hashes of files, and directories with a slash at their end.
func snapshot(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			all[name+"/"] = ""
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(raw)
		all[name] = hex.EncodeToString(sum[:])
		return nil
	})
	return all, err
}

func (w *world) snapshot() map[string]string {
	w.Helper()
	all, err := snapshot(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// empty removes all that is in the directory.
func (w *world) empty() {
	w.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(w.path(e.Name())); err != nil {
			w.Fatal(err)
		}
	}
}

// differences lists what two snapshots do not have in common.
func differences(want, got map[string]string) (all []string) {
	for name, sum := range got {
		if was, ok := want[name]; !ok {
			all = append(all, name+" is left over")
		} else if was != sum {
			all = append(all, name+" is different")
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			all = append(all, name+" is missing")
		}
	}
	return all
}
