//go:build linux

package crash

import (
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/test/reliability"
)

// together runs commands at once, and returns their results in order.
func (w *world) together(commands ...[]string) []result {
	results := make([]result, len(commands))
	var wg sync.WaitGroup
	for i, argv := range commands {
		wg.Go(func() { results[i] = w.finish(w.command(argv...)) })
	}
	wg.Wait()
	return results
}

const processes = 8

// Each of eight processes puts an image of its own into one layout.
func TestTogether(t *testing.T) {
	rounds := 2
	if *soak {
		rounds = 10
	}
	s := reliability.Section{
		Title: "Eight processes and one layout",
		Text: fmt.Sprintf(
			"Eight processes at once put eight images into one layout, %d times. The table counts the "+
				"images that index.json names in the end and that are complete.", rounds),
		Head: []string{"tool", "kept, by round", "lost of all"},
	}
	for _, o := range tools() {
		if !o.present() {
			continue
		}
		kept, lost := "", 0
		for range rounds {
			n := eight(t, o)
			kept += fmt.Sprintf(" %d", n)
			lost += processes - n
		}
		if o.name == "drayage" && lost > 0 {
			t.Errorf("kept%s of %d", kept, processes)
		}
		s.Rows = append(s.Rows, []string{o.version(t), kept[1:], fmt.Sprintf("%d of %d", lost, rounds*processes)})
	}
	enter(t, "24-eight-processes", s)
}

// eight returns how many of the images are in the layout afterwards.
func eight(t *testing.T, o tool) (kept int) {
	w := newWorld(t)
	want := map[digest.Digest]bool{}
	var commands [][]string
	for i := range processes {
		name := fmt.Sprintf("app%d", i)
		want[w.put(name, 100<<10).Digest] = true
		commands = append(commands, o.fetch(w, w.ref(name+":1"), name))
	}
	for _, r := range w.together(commands...) {
		if r.code != 0 && o.name == "drayage" {
			t.Errorf("%s", r)
		} else if r.code != 0 {
			t.Logf("%s", r)
		}
	}
	ix, err := readIndex(w.path("images"))
	if err != nil {
		t.Logf("%s: %v", o.name, err)
		return 0
	}
	for _, d := range ix.entries {
		if want[d.Digest] && closed(w.path("images"), d, 0) == nil {
			kept++
			delete(want, d.Digest)
		}
	}
	return kept
}

// Eight processes fetch the same image; half as many look meanwhile whether the layout is in order. Each blob
// comes once.
func TestSameImageTogether(t *testing.T) {
	w := newWorld(t)
	w.put("old", 10<<10)
	otherImages(w)
	w.put("app", 3<<20, small)
	w.slow()
	w.Reset()
	var commands [][]string
	for i := range processes {
		commands = append(commands, []string{binary, "fetch", w.ref("app:1"), "-o", "images"})
		if i%2 == 0 {
			commands = append(commands, []string{binary, "verify", "images"})
		}
	}
	for _, r := range w.together(commands...) {
		if r.code != 0 {
			t.Errorf("%s", r)
		}
	}
	if ix, err := soundLayout(w.path("images")); err != nil || len(ix.entries) != 2 {
		t.Errorf("%v, %v", ix, err)
	}
	if sent := w.down(); sent > 5<<20 {
		t.Errorf("%d bytes were sent: blobs came more than once", sent)
	}
}

// Two processes fetch different platforms of one image at once. Both platforms stay, under one name.
func TestPlatformsTogether(t *testing.T) {
	w := newWorld(t)
	index := w.putPlatforms("multi", small)
	for range 5 {
		for _, r := range w.together(
			[]string{binary, "fetch", w.ref("multi:1"), "-o", "images", "--platform", "linux/amd64"},
			[]string{binary, "fetch", w.ref("multi:1"), "-o", "images", "--platform", "linux/s390x"},
		) {
			if r.code != 0 {
				t.Errorf("%s", r)
			}
		}
		ix, err := soundLayout(w.path("images"))
		if err != nil || len(ix.entries) != 1 || ix.entries[0].Digest != index.Digest {
			t.Fatalf("%+v, %v; want %s", ix, err, index.Digest)
		}
		w.remove("images")
	}
}

// Of two processes that bring the same blob the one that has it is killed; the other, which waits, goes on
// where that was.
func TestLocksGoWithTheirOwner(t *testing.T) {
	w := newWorld(t)
	w.put("app", 3<<20)
	const got = 1 << 20
	layer := digest.FromBytes(layers("app", 3<<20)[0].Content)
	w.On(fakeregistry.Match{Method: "GET", Path: layer.String(), Count: 1}, fakeregistry.Stall(got))
	args := fetching("app")(w)
	first := exec.Command(binary, args...)
	w.isolate(first)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	w.await("the first megabyte", func() bool { return w.down() >= got && w.partial() >= got*9/10 })
	var wg sync.WaitGroup
	var r result
	wg.Go(func() { r = w.finish(w.command(append([]string{binary}, args...)...)) })
	w.await("the second process", func() bool { return len(w.Requests("GET", "/manifests/")) >= 2 })
	first.Process.Kill()
	first.Wait()
	wg.Wait()
	if r.code != 0 {
		t.Fatalf("%s", r)
	}
	if _, err := soundLayout(w.path("images")); err != nil {
		t.Error(err)
	}
	if again := w.down() - 3<<20; again > 1<<20 {
		t.Errorf("%d bytes came again", again)
	}
}
