//go:build linux

package reliability

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"drayage/internal/fakeregistry"
)

var processCases = []trouble{
	{31, "SIGKILL at any moment",
		"leaves only complete blobs and complete images; the same command finishes the work", "", []fault{
			{name: "twelve kills of a fetch, spread over its transfer", local: true, run: killedFetch},
			{name: "kills of a save", local: true, run: killedSave},
			{name: "kills of a push", local: true, run: killedPush},
		}},
	{32, "SIGINT, SIGTERM, SIGHUP, a second signal",
		"stops with 130, 143 or 129, keeps partial blobs that help the next run and removes the rest; ends at " +
			"once at a second signal", "", []fault{
			{name: "SIGINT", local: true, run: signalled(syscall.SIGINT, 130)},
			{name: "SIGTERM", local: true, run: signalled(syscall.SIGTERM, 143)},
			{name: "SIGHUP", local: true, run: signalled(syscall.SIGHUP, 129)},
			{name: "SIGINT for a save", local: true, run: signalledSave},
			{name: "a second SIGINT", local: true, run: signalledTwice},
		}},
	{33, "power loss: what was not synced is gone",
		"syncs a blob before it gets its name, its directory before anything refers to it, and index.json last", "",
		[]fault{
			{name: "order of system calls of a fetch", local: true, run: syncOrder("fetch")},
			{name: "order of system calls of a save", local: true, run: syncOrder("save")},
			{name: "a file system that forgets what was not synced", local: true, run: func(t *try) {
				t.Skip("none can be mounted here")
			}},
			{name: "zeros in place of what was not synced", local: true, run: fetchOverRemains(func(b []byte) []byte {
				clear(b)
				return b[:len(b)*2/3]
			})},
		}},
	{35, "several processes on one layout, one image, one tar; a lock whose owner is dead",
		"locks index.json while it changes it, and each blob while it fetches it; the other processes wait and " +
			"use the result", "", []fault{
			{name: "eight processes, eight images, one layout", local: true, run: eightImages},
			{name: "four processes, one image, one layout", local: true, run: oneImageFourTimes},
			{name: "two processes, one tar", local: true, run: oneTarTwice},
			{name: "a lock whose owner was killed", local: true, run: staleLock},
			{name: "a file system without locks", local: true, run: func(t *try) {
				t.Skip("none can be mounted here")
			}},
		}},
	{38, "file systems that ignore case; image names that no file can have",
		"uses only digests as file names; names of images stand in index.json", "", []fault{
			{name: "tags that differ in case only, and the longest", local: true, run: awkwardNames},
			{name: "on Windows and macOS", local: true, run: func(t *try) {
				t.Skip("this machine has another system")
			}},
		}},
	{39, "file systems that take at most 4 GiB in a file", "names the limit and what to do", "", []fault{
		{name: "fetch", local: true, run: fileLimit("fetch", "images")},
		{name: "save", local: true, run: fileLimit("save", "image.tar")},
	}},
	{40, "a link, a pipe or a directory planted where drayage writes or reads",
		"opens only regular files below the layout's own directory, and never writes through a link", "", []fault{
			{name: "in the place of a blob", local: true, run: planted("blobs/sha256/%s")},
			{name: "in the place of a partial blob", local: true, run: planted(".drayage/partial/sha256-%s")},
			{name: "in the place of index.json", local: true, run: planted("index.json")},
			{name: "blobs is a link out of the layout", local: true, run: linkedBlobs},
			{name: "in the place of the tar", local: true, run: plantedTar},
		}},
	{41, "closed standard output, an input that changes or is a pipe",
		"fails if the result could not be written or the input has changed; copies a pipe to a temporary file", "",
		[]fault{
			{name: "nobody reads standard output", local: true, run: closedOutput},
			{name: "full standard output", local: true, run: fullOutput},
			{name: "tar on standard input", local: true, run: pipedInput},
			{name: "tar from a named pipe", local: true, run: namedPipe},
			{name: "tar changes while it is read", local: true, run: changingInput},
		}},
}

// start begins a run without waiting for it.
func (t *try) start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	var stderr bytes.Buffer
	cmd := t.command(args...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &stderr
}

// killAt runs drayage and kills it when a registry has moved some bytes. It reports whether drayage was still
// running.
func (t *try) killAt(bytes int64, moved func() int64, args ...string) bool {
	cmd, stderr := t.start(args...)
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for moved() < bytes {
		select {
		case <-ended:
			if cmd.ProcessState.ExitCode() != 0 {
				t.Fatalf("it ended by itself: %s", stderr)
			}
			return false
		case <-tick.C:
		}
	}
	cmd.Process.Kill()
	<-ended
	return cmd.ProcessState.ExitCode() == -1
}

// killedFetch kills one fetch after another, each some way further, until one ends.
func killedFetch(t *try) {
	s, img := t.seeded(12<<20, 3<<20, 100<<10)
	s.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Drip(32<<10, time.Millisecond))
	args := []string{"fetch", s.ref("app:1"), "-o", "images"}
	random := rand.New(rand.NewPCG(31, 0))
	kills := 0
	for range 12 {
		at := s.Sent("GET", "/blobs/") + random.Int64N(img.weight()/10)
		if !t.killAt(at, func() int64 { return s.Sent("GET", "/blobs/") }, args...) {
			break
		}
		kills++
		t.sound("images")
	}
	t.must(args...)
	t.holds("images", s.ref("app:1"), img)
	if kills == 0 {
		t.Error("it was never killed")
	}
	t.note("%d kills, %d KiB sent again", kills, s.again(img)>>10)
}

func killedSave(t *try) {
	s, img := t.seeded(6<<20, 100<<10)
	s.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Drip(32<<10, time.Millisecond))
	args := []string{"save", s.ref("app:1"), "-o", "image.tar"}
	for _, part := range []int64{20, 3, 2} {
		s.Reset()
		t.killAt(img.weight()/part, func() int64 { return s.Sent("GET", "/blobs/") }, args...)
		if t.exists("image.tar") {
			t.Error("a tar has its name although it is not finished")
		}
	}
	t.must(args...)
	t.savedAs("image.tar", img)
}

func killedPush(t *try) {
	img := newImage("pushed", 6<<20, 100<<10)
	for _, source := range t.sources("docker.io/library/app:1", img) {
		s := t.registry()
		kills := 0
		for _, part := range []int64{30, 3, 2} {
			s.Reset()
			if t.killAt(img.weight()/part, func() int64 {
				return s.Received("", "/uploads/")
			}, "push", source, s.ref("app:1")) {
				kills++
				s.unnamed("app", "1")
			}
		}
		t.must("push", source, s.ref("app:1"))
		t.arrived(s, "app", "1", img)
		if kills == 0 {
			t.Error("it was never killed")
		}
	}
}

// signalled sends a signal to a fetch in the middle of a layer that will never end.
func signalled(sig syscall.Signal, code int) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.breaks(img, fakeregistry.Match{}, fakeregistry.Stall(900<<10))
		cmd, stderr := t.start("fetch", s.ref("app:1"), "-o", "images")
		t.await(func() bool {
			fi, err := os.Stat(t.path("images/.drayage/partial/sha256-" + img.layer(0).Encoded()))
			return err == nil && fi.Size() >= 512<<10
		})
		asked := time.Now()
		cmd.Process.Signal(sig)
		cmd.Wait()
		t.note("stopped after %d ms", time.Since(asked).Milliseconds())
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code %d, want %d: %s", got, code, stderr)
		}
		t.lacks("images", s.ref("app:1"))
		s.Heal()
		s.Reset()
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		if sent := s.Sent("GET", img.layer(0).Encoded()); sent > int64(len(img.layers[0]))-512<<10 {
			t.Errorf("%d bytes of a layer of %d were sent again: nothing was kept", sent, len(img.layers[0]))
		}
	}
}

// await waits for something that will happen.
func (t *try) await(happened func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(commandTimeout); !happened(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("what was waited for has not happened")
		}
	}
}

func signalledSave(t *try) {
	s, img := t.seeded()
	s.breaks(img, fakeregistry.Match{}, fakeregistry.Stall(900<<10))
	cmd, stderr := t.start("save", s.ref("app:1"), "-o", "image.tar")
	t.await(func() bool { return s.Sent("GET", img.layer(0).Encoded()) >= 900<<10 })
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit code %d: %s", got, stderr)
	}
	if t.exists("image.tar") || t.exists("image.tar.partial") {
		t.Error("a part of a tar was left")
	}
}

// signalledTwice sends the second signal while the first is being dealt with: the process has ended before
// its registry lets go of it.
func signalledTwice(t *try) {
	s, img := t.seeded()
	s.breaks(img, fakeregistry.Match{}, fakeregistry.Stall(10<<10))
	cmd, _ := t.start("fetch", s.ref("app:1"), "-o", "images")
	t.await(func() bool { return s.Sent("GET", img.layer(0).Encoded()) >= 10<<10 })
	cmd.Process.Signal(os.Interrupt)
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() &&
		status.ExitStatus() != exitInterrupted {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	t.lacks("images", s.ref("app:1"))
}

var (
	syncCall   = regexp.MustCompile(`f(?:data)?sync\(\d+<([^>]+)>\)\s+= 0`)
	renameCall = regexp.MustCompile(`renameat2?\(\d+<([^>]+)>, "([^"]+)", \d+<([^>]+)>, "([^"]+)".*= 0`)
)

// syncOrder looks at the system calls of a whole run: what is renamed was synced, the directory is synced
// before the next name is given to something that refers to it, and the last of all is the index or the tar.
func syncOrder(verb string) func(*try) {
	return func(t *try) {
		s, _ := t.seeded()
		path, err := exec.LookPath("strace")
		if err != nil {
			t.Skip("strace is not installed")
		}
		t.prefix = []string{path, "-f", "-y", "-o", t.path("trace"), "-e",
			"trace=fsync,fdatasync,renameat,renameat2"}
		t.must(verb, s.ref("app:1"), "-o", "out", "-j", "1")
		t.checkOrder(string(t.read("trace")), map[string]string{"fetch": "index.json", "save": "out"}[verb])
	}
}

func (t *try) checkOrder(trace, last string) {
	synced, unsynced, names := map[string]bool{}, map[string]bool{}, []string{}
	for _, line := range calls(trace) {
		if m := syncCall.FindStringSubmatch(line); m != nil {
			synced[m[1]] = true
			delete(unsynced, m[1])
			continue
		}
		m := renameCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		from, to := filepath.Join(m[1], m[2]), filepath.Join(m[3], m[4])
		if !synced[from] {
			t.Errorf("%s was given its name without having been synced", m[4])
		}
		refers := strings.HasSuffix(to, "index.json")
		if refers && len(unsynced) > 0 {
			t.Errorf("index.json was replaced before the directories of what it names were synced: %v", unsynced)
		}
		unsynced[filepath.Dir(to)] = true
		names = append(names, filepath.Base(to))
	}
	if len(unsynced) > 0 {
		t.Errorf("directories that were never synced: %v", unsynced)
	}
	if len(names) == 0 || names[len(names)-1] != last {
		t.Errorf("the last file to get its name is not %s: %q", last, names)
	}
}

// calls are the lines of a trace, those put together that strace divides because another thread came between.
func calls(trace string) (whole []string) {
	begun := map[string]string{}
	for line := range strings.Lines(trace) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		if first, ok := strings.CutSuffix(call, "<unfinished ...>"); ok {
			begun[thread] = strings.TrimSpace(first)
			continue
		}
		if _, rest, ok := strings.Cut(call, " resumed>"); ok {
			call = begun[thread] + rest
		}
		whole = append(whole, strings.TrimSpace(call))
	}
	return whole
}

// together runs drayage several times at once.
func (t *try) together(runs ...[]string) []result {
	results := make([]result, len(runs))
	var wg sync.WaitGroup
	for i, args := range runs {
		cmd, stderr := t.start(args...)
		wg.Go(func() {
			cmd.Wait()
			results[i] = result{args: args, code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
		})
	}
	wg.Wait()
	return results
}

func eightImages(t *try) {
	s := t.registry()
	images := map[string]*image{}
	var runs [][]string
	for i := range 8 {
		name := fmt.Sprintf("app%d", i)
		img := newImage(name, 300<<10)
		s.seed(name, "1", img)
		images[s.ref(name+":1")] = img
		runs = append(runs, []string{"fetch", s.ref(name + ":1"), "-o", "images"})
	}
	for _, r := range t.together(runs...) {
		if r.code != 0 {
			t.Errorf("%s", r)
		}
	}
	kept := 0
	for ref, img := range images {
		if t.sound("images")[ref].Digest == img.desc.Digest {
			kept++
		}
	}
	if kept != 8 {
		t.Errorf("%d of 8 images are in the layout", kept)
	}
	t.note("%d of 8 images kept", kept)
}

func oneImageFourTimes(t *try) {
	s, img := t.seeded()
	args := []string{"fetch", s.ref("app:1"), "-o", "images"}
	for _, r := range t.together(args, args, args, args) {
		if r.code != 0 {
			t.Errorf("%s", r)
		}
	}
	t.holds("images", s.ref("app:1"), img)
	t.note("%d KiB sent more than once", s.again(img)>>10)
}

func oneTarTwice(t *try) {
	s, img := t.seeded()
	s.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Drip(64<<10, 5*time.Millisecond))
	args := []string{"save", s.ref("app:1"), "-o", "image.tar"}
	good := 0
	for _, r := range t.together(args, args) {
		if r.code == 0 {
			good++
		} else {
			t.failed(r, []int{exitOther}, "image.tar")
		}
	}
	if good == 0 {
		t.Error("neither has succeeded")
	}
	t.savedAs("image.tar", img)
}

func staleLock(t *try) {
	s, img := t.seeded()
	s.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Drip(16<<10, time.Millisecond))
	args := []string{"fetch", s.ref("app:1"), "-o", "images"}
	if !t.killAt(500<<10, func() int64 { return s.Sent("GET", "/blobs/") }, args...) {
		t.Fatal("it could not be killed")
	}
	t.must(args...)
	t.holds("images", s.ref("app:1"), img)
}

func awkwardNames(t *try) {
	s := t.registry()
	longest := "T" + strings.Repeat("o_.-", 31) + "oooo"
	tags := []string{"con", "CON", "a", "A", longest[:128], "1.0_-."}
	images := map[string]*image{}
	for i, tag := range tags {
		images[tag] = newImage(fmt.Sprint("awkward", i), 10<<10)
		s.seed("nul/aux.com1", tag, images[tag])
		t.must("fetch", s.ref("nul/aux.com1:"+tag), "-o", "images")
	}
	for _, tag := range tags {
		t.holds("images", s.ref("nul/aux.com1:"+tag), images[tag])
	}
	digestName := regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)
	for _, name := range t.files("images") {
		if !digestName.MatchString(name) && !slices.Contains([]string{"index.json", "oci-layout", ".drayage/lock"},
			name) {
			t.Errorf("a file has the name %q", name)
		}
	}
}

// fileLimit lets drayage write files of 1 MiB only, as a file system of 4 GiB at most would with larger ones.
func fileLimit(verb, out string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		path, err := exec.LookPath("prlimit")
		if err != nil {
			t.Skip("prlimit is not installed")
		}
		t.prefix = []string{path, "--fsize=1048576"}
		t.failed(t.run(verb, s.ref("app:1"), "-o", out), []int{exitOther}, "file too large",
			"4 GiB|FAT|file system|limit")
		t.lacks("images", s.ref("app:1"))
		if t.exists("image.tar") || t.exists("image.tar.partial") {
			t.Error("a part of a tar was left")
		}
		t.prefix = nil
		t.must(verb, s.ref("app:1"), "-o", out)
		if verb == "fetch" {
			t.holds(out, s.ref("app:1"), img)
		} else {
			t.savedAs(out, img)
		}
	}
}

// plant puts something that is no regular file at a path, each kind in turn, and calls check.
func (t *try) plant(path string, check func(kind string)) {
	t.write("victim", []byte("precious"))
	for kind, put := range map[string]func(string) error{
		"link":      func(p string) error { return os.Symlink(t.path("victim"), p) },
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		must(os.MkdirAll(filepath.Dir(t.path(path)), 0o755))
		must(os.RemoveAll(t.path(path)))
		must(put(t.path(path)))
		check(kind)
		if got := string(t.read("victim")); got != "precious" {
			t.Errorf("%s: written through it: %.20q", kind, got)
		}
	}
}

func planted(path string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		t.layout("images", "docker.io/library/old:1", newImage("old", 1<<10))
		if strings.Contains(path, "%s") {
			path = fmt.Sprintf(path, img.layer(0).Encoded())
		}
		t.plant("images/"+path, func(kind string) {
			if r := t.run("fetch", s.ref("app:1"), "-o", "images"); r.code == 0 {
				if v := t.run("verify", "images"); v.code != 0 { // it has been replaced, or it must be refused
					t.Errorf("%s: neither refused nor healed: %v", kind, v)
				}
			} else {
				t.failed(r, []int{exitOther, exitIntegrity}, "regular|directory|escapes|symbolic|"+filepath.Base(path))
			}
		})
	}
}

func linkedBlobs(t *try) {
	s, _ := t.seeded()
	t.layout("images", "docker.io/library/old:1", newImage("old", 1<<10))
	must(os.Rename(t.path("images/blobs"), t.path("elsewhere")))
	must(os.Symlink(t.path("elsewhere"), t.path("images/blobs")))
	before := t.files("elsewhere")
	t.failed(t.run("fetch", s.ref("app:1"), "-o", "images"), []int{exitOther, exitIntegrity}, "images")
	if after := t.files("elsewhere"); !slices.Equal(before, after) {
		t.Errorf("written outside the layout: %q", after)
	}
}

func plantedTar(t *try) {
	s, _ := t.seeded()
	t.plant("image.tar.partial", func(kind string) {
		t.failed(t.run("save", s.ref("app:1"), "-o", "image.tar"), []int{exitOther}, "regular")
	})
	os.RemoveAll(t.path("image.tar.partial"))
	must(os.Mkdir(t.path("directory"), 0o755))
	t.failed(t.run("save", s.ref("app:1"), "-o", "directory"), []int{exitOther, exitUsage}, "directory|regular")
}

func closedOutput(t *try) {
	s, _ := t.seeded()
	for _, args := range [][]string{{"save", s.ref("app:1"), "-o", "-"}, {"digest", s.ref("app:1")}} {
		r, w, err := os.Pipe()
		must(err)
		r.Close()
		cmd := t.command(args...)
		cmd.Stdout = w
		cmd.Run()
		w.Close()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() && status.ExitStatus() == 0 {
			t.Errorf("%s: success, although nobody has got the result", args[0])
		}
	}
}

func fullOutput(t *try) {
	s, _ := t.seeded()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	for _, args := range [][]string{{"save", s.ref("app:1"), "-o", "-"}, {"digest", s.ref("app:1")},
		{"ls", s.ref("app")}, {"fetch", s.ref("app:1"), "-o", "images", "--json"}} {
		cmd := t.command(args...)
		cmd.Stdout = full
		cmd.Run()
		if cmd.ProcessState.ExitCode() == 0 {
			t.Errorf("%s: success, although the result could not be written", args[0])
		}
	}
}

func pipedInput(t *try) {
	img := newImage("pushed")
	s := t.registry()
	r := t.feed(io.MultiReader(bytes.NewReader(img.saved("docker.io/library/app:1"))), "push", "-",
		s.ref("app:1"))
	if r.code != 0 {
		t.Fatalf("%s", r)
	}
	t.arrived(s, "app", "1", img)
	t.tidy()
}

// tidy checks that no temporary file is left: TMPDIR is the directory of the attempt.
func (t *try) tidy() {
	entries, err := os.ReadDir(t.dir)
	must(err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "drayage") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func namedPipe(t *try) {
	img := newImage("pushed")
	s := t.registry()
	must(syscall.Mkfifo(t.path("pipe"), 0o600))
	w, err := os.OpenFile(t.path("pipe"), os.O_RDWR, 0) // so that opening waits for nobody
	must(err)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer w.Close()
		w.Write(img.saved("docker.io/library/app:1"))
	})
	r := t.run("push", "pipe", s.ref("app:1"))
	w.Close() // ends a Write that nobody reads
	wg.Wait()
	if r.code == 0 {
		t.arrived(s, "app", "1", img)
	} else {
		t.failed(r, []int{exitOther, exitUsage, exitIntegrity}, "pipe")
		s.unnamed("app", "1")
	}
}

// changingInput turns one byte of a layer over once drayage has read the tar's headers.
func changingInput(t *try) {
	img := newImage("pushed")
	s := t.registry()
	raw := img.saved("docker.io/library/app:1")
	t.write("image.tar", raw)
	s.On(fakeregistry.Match{Count: 1}, func(next http.Handler) http.Handler {
		at := bytes.Index(raw, img.tars[0]) + len(img.tars[0])/2
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		t.write("image.tar", changed)
		return next
	})
	r := t.run("push", "image.tar", s.ref("app:1"))
	s.struck(1)
	t.failed(r, []int{exitIntegrity, exitOther}, "image.tar|layer0")
	s.unnamed("app", "1")
}
