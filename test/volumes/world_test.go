//go:build linux

package volumes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// world is a directory in which commands run.
type world struct {
	testing.TB
	dir string
	env []string // more variables for the commands
}

// newWorld has some empty directories, because save makes none.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, dir: t.TempDir()}
	for _, dir := range []string{in, "out", "near", "far", "again", "one", "many"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) read(name string) []byte {
	w.Helper()
	raw, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

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

func (w *world) rename(from, to string) {
	w.Helper()
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(names ...string) {
	w.Helper()
	for _, name := range names {
		if err := os.RemoveAll(w.path(name)); err != nil {
			w.Fatal(err)
		}
	}
}

// result is what one run did.
type result struct {
	args   []string
	code   int // -1: it was killed
	stdout string
	stderr string
	peak   int64 // resident memory in bytes, as far as it was seen

	written int64 // bytes given to the file system
}

// platform is that of the images here, so that they are taken without being asked for.
var platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// String shows the command and what it said.
func (r result) String() string {
	return fmt.Sprintf("%s: exit %d: %s", strings.Join(r.args, " "), r.code, strings.TrimSpace(r.stderr))
}

// said is all that was written.
func (r result) said() string { return r.stdout + r.stderr }

// commandTimeout ends a run that hangs; nothing is measured by it.
const commandTimeout = 2 * time.Minute

// drayage runs it to its end.
func (w *world) drayage(args ...string) result { return w.run(append([]string{binary}, args...)...) }

// must runs drayage, which must succeed.
func (w *world) must(args ...string) result {
	w.Helper()
	r := w.drayage(args...)
	if r.code != 0 {
		w.Fatalf("%s", r)
	}
	return r
}

// run runs any tool, which sees nothing of this machine's configuration.
func (w *world) run(argv ...string) result {
	w.Helper()
	return w.finish(exec.Command(argv[0], argv[1:]...))
}

func (w *world) finish(cmd *exec.Cmd) result {
	w.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if cmd.Dir == "" {
		cmd.Dir = w.dir
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + w.dir,
		"DOCKER_CONFIG=" + w.path("docker"), "XDG_CACHE_HOME=" + w.path("cache"),
		"XDG_CONFIG_HOME=" + w.path("config"), "XDG_RUNTIME_DIR=" + w.dir, "TMPDIR=" + w.dir}, w.env...)
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	watchdog := time.AfterFunc(commandTimeout, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	stop := make(chan struct{})
	var peak int64
	var watching sync.WaitGroup
	watching.Go(func() { peak = watch(cmd.Process.Pid, stop) })
	err := cmd.Wait()
	close(stop)
	watching.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return result{args: append([]string{filepath.Base(cmd.Args[0])}, cmd.Args[1:]...),
		code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), peak: peak,
		written: cmd.ProcessState.SysUsage().(*syscall.Rusage).Oublock * 512}
}

// watch returns the largest peak of resident memory that a process has told until stop. What the kernel tells
// of a process that has ended counts the memory of the one that started it too.
func watch(pid int, stop <-chan struct{}) (peak int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(raw), "VmHWM:"); ok &&
			!strings.HasPrefix(string(raw), "Name:\tvolumes.test") {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			peak = max(peak, kib<<10)
		}
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}

// snapshot is all that is below a directory: the hashes of files, links with where they lead, and directories
// with a slash at their end.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case e.IsDir():
			all[name+"/"] = ""
			return nil
		case !e.Type().IsRegular():
			to, _ := os.Readlink(path)
			all[name] = e.Type().String() + " " + to
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		all[name] = hex.EncodeToString(sum.Sum(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// differences lists what two snapshots do not have in common.
func differences(want, got map[string]string) (all []string) {
	for name, sum := range got {
		if was, ok := want[name]; !ok {
			all = append(all, name+" is new")
		} else if was != sum {
			all = append(all, name+" is different")
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			all = append(all, name+" is missing")
		}
	}
	slices.Sort(all)
	return all
}

// noise is content that does not compress. One name gives the same bytes each time.
func noise(name string, size int) []byte {
	content := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(content)
	return content
}

var layers sync.Map // by what they are made of: compressing takes its time

// layer is a layer of about that size.
func layer(name string, size int) fakeregistry.Layer {
	key := fmt.Sprint(name, size)
	if known, ok := layers.Load(key); ok {
		return known.(fakeregistry.Layer)
	}
	l := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": string(noise(name, size))}))
	layers.Store(key, l)
	return l
}
