package scale

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/test/provide"
)

// command is the command under test.
var command string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drayage-scale-")
	if err == nil {
		defer os.RemoveAll(dir)
		command, err = provide.Binary(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		return 1
	}
	return m.Run()
}

// world is a layout, and a registry to fill from it.
type world struct {
	*testing.T
	Fleet
	reg    *Registry
	images []Image
}

func newWorld(t *testing.T, images int) *world {
	t.Helper()
	w := &world{T: t, Fleet: Fleet{Binary: command, Dir: t.TempDir()}}
	var err error
	if w.images, err = Fill(filepath.Join(w.Dir, "images"), images, 20_000); err != nil {
		t.Fatal(err)
	}
	if w.reg, err = Start(t.Context(), 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.reg.Close)
	return w
}

// run runs a command line in n processes. HOST is the registry.
func (w *world) run(n int, line string, only ...int) []Process {
	w.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "HOST", w.reg.Addr()))
	all, err := w.Fleet.Run(w.Context(), n, args, only...)
	if err == nil {
		err = Failed(all)
	}
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// complete checks that every image is in the registry, and that nothing was sent twice.
func (w *world) complete(prefix string) {
	w.Helper()
	w.holds(prefix)
	for d, n := range w.reg.Sent() {
		if n > 1 {
			w.Errorf("%s was sent %d times", d, n)
		}
	}
}

// holds checks that every image is in the registry.
func (w *world) holds(prefix string) {
	w.Helper()
	seen := map[digest.Digest]bool{}
	for _, im := range w.images {
		if err := w.reg.Holds(prefix, im, seen); err != nil {
			w.Error(err)
		}
	}
}

// TestPushInShards fills a registry from a layout.
func TestPushInShards(t *testing.T) {
	w := newWorld(t, 60)
	all := w.run(4, "push images HOST/mirror/ --shard 4")
	w.complete("mirror/")
	if w.reg.Mounts() == 0 {
		t.Error("nothing was mounted: the images share nothing")
	}
	for i, p := range all {
		if want := fmt.Sprintf("shard %d of 4: ", i+1); !strings.Contains(p.Stderr, want) {
			t.Errorf("process %d does not say %q:\n%s", i, want, p.Stderr)
		}
	}
}

// list writes a list of the images below a prefix of the registry.
func (w *world) list(path, prefix string) {
	w.Helper()
	var b strings.Builder
	for _, im := range w.images {
		fmt.Fprintf(&b, "%s/%s%s:%s\n", w.reg.Addr(), prefix, im.Repository, im.Tag)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		w.Fatal(err)
	}
}

// empty puts an empty registry in the place of the one that there is, which stays.
func (w *world) empty() {
	w.Helper()
	var err error
	if w.reg, err = Start(w.Context(), 5*time.Millisecond); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(w.reg.Close)
}

// TestCopyInShards copies from one registry to another, after a layout has gone into the first in other
// shards.
func TestCopyInShards(t *testing.T) {
	w := newWorld(t, 40)
	w.run(3, "push images HOST/old/ --shard 3")
	w.list(filepath.Join(w.Dir, "list.txt"), "old/")
	w.empty()
	w.run(4, "copy --from list.txt HOST/new/ --shard 4")
	w.complete("new/old/")
}

// TestFetchInShards fetches into one layout, and into one for each process.
func TestFetchInShards(t *testing.T) {
	w := newWorld(t, 40)
	w.run(1, "push images HOST/m/")
	w.list(filepath.Join(w.Dir, "list.txt"), "m/")
	w.run(4, "fetch --from list.txt -o together --shard 4")
	for i := range 4 {
		w.run(4, fmt.Sprintf("fetch --from list.txt -o apart-%d --shard 4", i), i)
	}
	w.run(1, "verify together")
	if got := w.count("together"); got != len(w.images) {
		t.Errorf("the layout has %d images, want %d", got, len(w.images))
	}
	apart := 0
	for i := range 4 {
		name := fmt.Sprintf("apart-%d", i)
		w.run(1, "verify "+name)
		apart += w.count(name)
	}
	if apart != len(w.images) {
		t.Errorf("the layouts have %d images, want %d", apart, len(w.images))
	}
}

// count counts the images of a layout.
func (w *world) count(layout string) int {
	w.Helper()
	return len(strings.Fields(w.run(1, "ls -q "+layout)[0].Stdout))
}

// TestPodThatIsKilled kills one of four processes again and again, each time with a home that is gone, as
// that of a pod is. The others do not wait for it for ever: then they send what it had begun to send.
func TestPodThatIsKilled(t *testing.T) {
	w := newWorld(t, 60)
	line := strings.ReplaceAll("push images HOST/m/ --shard 4 --shard-wait 1s", "HOST", w.reg.Addr())
	var others sync.WaitGroup
	others.Go(func() {
		all, err := w.Fleet.Run(t.Context(), 4, strings.Fields(line), 0, 1, 3)
		if err == nil {
			err = Failed(all)
		}
		if err != nil {
			t.Error(err)
		}
	})
	for _, life := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
		ctx, kill := context.WithTimeout(t.Context(), life)
		if _, err := w.Fleet.Run(ctx, 4, strings.Fields(line), 2); err != nil {
			t.Error(err)
		}
		kill()
		os.RemoveAll(filepath.Join(w.Dir, "pod-2"))
	}
	others.Wait()
	w.run(4, "push images HOST/m/ --shard 4 --shard-wait 1s", 2)
	w.holds("m/")
}
