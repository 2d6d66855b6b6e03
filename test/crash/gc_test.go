//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

// gcRounds is how often each process fetches.
func gcRounds() int {
	if *soak {
		return 60
	}
	return 6
}

// shoot runs drayage and kills it after a time, unless that is 0 or it ends before.
func (w *world) shoot(after time.Duration, args ...string) result {
	cmd := w.command(append([]string{binary}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.Error(err)
		return result{args: cmd.Args, code: -1}
	}
	if after == 0 {
		after = commandTimeout
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait() // the exit code tells
	return result{args: cmd.Args, code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
}

// sometimes is a time after which to kill, or 0.
func sometimes(random *rand.Rand) time.Duration {
	if random.IntN(2) == 0 {
		return 0
	}
	return time.Duration(1 + random.IntN(int(120*time.Millisecond)))
}

// gc runs in a loop beside eight processes that fetch images with common layers and take them out again. All
// of them are killed now and then. What a fetch has called complete is complete.
func TestGCBesideFetches(t *testing.T) {
	w := newWorld(t)
	w.put("old", 10<<10)
	w.must("fetch", w.ref("old:1"), "-o", "images")
	common := layers("common", 200<<10, small)
	for i := range processes {
		w.registry.Load().PutImage(fmt.Sprint("app", i), "1", fakeregistry.Image{Platform: platform,
			Layers: append(layers(fmt.Sprint("app", i), 100<<10), common...)})
	}
	t.Logf("seed %d", *seed)
	done := make([]bool, processes)
	var wg sync.WaitGroup
	for i := range processes {
		random := rand.New(rand.NewPCG(*seed, uint64(i)))
		wg.Go(func() { done[i] = w.fetchAgainAndAgain(fmt.Sprintf("app%d:1", i), random) })
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	collected := 0
	for random := rand.New(rand.NewPCG(*seed, processes)); ; {
		select {
		case <-over:
			w.checkCollected(done)
			t.Logf("gc ran to its end %d times", collected)
			return
		default:
		}
		switch r := w.shoot(sometimes(random), "gc", "images"); r.code {
		case 0:
			collected++
		case -1:
		default:
			t.Errorf("%s", r)
		}
	}
}

// fetchAgainAndAgain fetches an image, and takes it out now and then. It reports whether the image must be
// there in the end.
func (w *world) fetchAgainAndAgain(name string, random *rand.Rand) (there bool) {
	for range gcRounds() {
		r := w.shoot(sometimes(random), "fetch", w.ref(name), "-o", "images")
		switch {
		case r.code == 0:
			there = true
		case r.code != -1:
			w.Errorf("%s", r)
		}
		if there && random.IntN(3) == 0 {
			if r := w.shoot(0, "rm", "oci:images:"+w.ref(name)); r.code != 0 {
				w.Errorf("%s", r)
			}
			there = false
		}
	}
	return there
}

// checkCollected checks that the layout is in order and has the images that must be there, before a last gc
// and after it, and that this one leaves nothing that is not needed.
func (w *world) checkCollected(done []bool) {
	w.Helper()
	for _, moment := range []string{"before the last gc", "after it"} {
		r := w.must("verify", "images")
		if _, err := soundLayout(w.path("images")); err != nil {
			w.Errorf("%s: %v", moment, err)
		}
		names := w.must("ls", "-q", "images").stdout
		for i, must := range done {
			if name := w.ref(fmt.Sprintf("app%d:1", i)); must && !strings.Contains(names, name+"\n") {
				w.Errorf("%s: %s was complete and is not there", moment, name)
			}
		}
		if moment == "after it" && strings.Contains(r.stderr, "no image leads to") {
			w.Errorf("gc has left something: %s", r.stderr)
		}
		w.must("gc", "images")
	}
}

// aBlob matches the name of one.
var aBlob = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// A save whose image is taken out and collected meanwhile ends with an error that names what is missing, and
// leaves no file. If it had opened everything before, the file is whole.
func TestSaveOfWhatIsCollected(t *testing.T) {
	w := newWorld(t)
	sizes := []int{8 << 20}
	for range 30 {
		sizes = append(sizes, 1<<10)
	}
	w.put("app", sizes...)
	failed := false
	for range 60 { // it mostly meets it at once
		w.must("fetch", w.ref("app:1"), "-o", "images", "-q")
		cmd := w.command(binary, "save", "images", "-o", "image.tar", "--platform", "all", "--format", "oci")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.await("the file that is written", func() bool {
			begun, _ := filepath.Glob(w.path("*image.tar*"))
			return len(begun) > 0
		})
		cmd.Process.Signal(syscall.SIGSTOP)
		w.must("rm", "oci:images:app:1")
		w.must("gc", "images")
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Wait() // the exit code tells
		_, err := os.Stat(w.path("image.tar"))
		if code := cmd.ProcessState.ExitCode(); code == 0 {
			w.must("verify", "image.tar")
			os.Remove(w.path("image.tar"))
			continue
		} else if err == nil || !aBlob.MatchString(stderr.String()) {
			t.Fatalf("exit %d, %v: %s", code, err, stderr.String())
		}
		failed = true
		break
	}
	if !failed {
		t.Error("save has never met what was missing")
	}
}
