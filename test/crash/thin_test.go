//go:build linux

package crash

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
)

// thinScenarios are the commands that make and take an archive without what the far side has.
var thinScenarios = []scenario{
	{name: "save --since an archive", seed: seedUpdate, prepare: oldArchive,
		args: savingThin, sound: soundTar},
	{name: "save of a thin archive and its base", seed: seedUpdate, prepare: thinAndOld,
		args: always("save", "thin.tar", "--base", "old.tar", "-o", "image.tar"), sound: soundTar},
	{name: "push of a thin archive", seed: seedUpdate, prepare: thinAndOld, args: pushing("thin.tar"),
		sound: soundPush, counts: changesAnything, pushes: true, base: baseLayer},
}

// seedUpdate stores an image, and the next one on the same base.
func seedUpdate(w *world) {
	base := layers("base", small)
	for name, own := range map[string]int{"first": 20 << 10, "next": 30 << 10} {
		w.registry.Load().PutImage(name, "1", fakeregistry.Image{Platform: platform,
			Layers: slices.Concat(base, layers(name, own))})
	}
}

// baseLayer puts what both images share where the next one is to go.
func baseLayer(w *world) { w.registry.Load().PutBlob("copy", layers("base", small)[0].Content) }

func oldArchive(w *world) {
	w.must("save", w.ref("first:1"), "--format", "oci", "-o", "old.tar")
	oldTar(w)
}

func savingThin(w *world) []string {
	return []string{"save", w.ref("next:1"), "--since", "old.tar", "-o", "image.tar"}
}

func thinAndOld(w *world) {
	oldArchive(w)
	w.must("save", w.ref("next:1"), "--since", "old.tar", "-o", "thin.tar")
}

// TestTruncatedThin cuts a thin archive short at many places. Whoever reads it says so, and nothing arrives.
func TestTruncatedThin(t *testing.T) {
	w := newWorld(t)
	seedUpdate(w)
	thinAndOld(w)
	whole := w.read("thin.tar")
	end := len(bytes.TrimRight(whole, "\x00")) // zeros behind the last entry say nothing
	places := 25
	if *soak {
		places = 400
	}
	for i := range places {
		n := end * i / places
		w.fresh()
		baseLayer(w)
		w.write("cut.tar", whole[:n])
		for _, args := range [][]string{
			{"verify", "cut.tar"}, {"verify", "cut.tar", "--base", "old.tar"},
			{"save", "cut.tar", "--base", "old.tar", "-o", "full.tar"}, {"push", "cut.tar", w.ref("copy:1")},
		} {
			if r := w.drayage(args...); r.code == 0 || strings.Contains(r.stdout, "ok ") {
				t.Errorf("%d of %d bytes: %s\n%s", n, len(whole), r, r.stdout)
			}
		}
		if _, ok := w.registry.Load().Tag("copy", "1"); ok {
			t.Errorf("%d of %d bytes: the image has its tag", n, len(whole))
		}
		if _, err := os.Stat(w.path("full.tar")); err == nil {
			t.Errorf("%d of %d bytes: there is a whole archive", n, len(whole))
		}
	}
}

// TestBaseGone takes the base away after push has asked for it: the registry says that it lacks a blob, push
// says which one, and no tag appears.
func TestBaseGone(t *testing.T) {
	w := newWorld(t)
	seedUpdate(w)
	thinAndOld(w)
	w.fresh()
	baseLayer(w)
	base := digest.FromBytes(layers("base", small)[0].Content)
	reg := w.registry.Load()
	reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/"},
		fakeregistry.Call(func(*http.Request) { reg.RemoveBlob("copy", base) }))
	r := w.drayage("push", "thin.tar", w.ref("copy:1"))
	if gone := reg.Struck()[0] > 0; !gone || r.code == 0 || !strings.Contains(r.stderr, base.String()) {
		t.Errorf("base removed: %v, %s", gone, r)
	}
	if _, ok := reg.Tag("copy", "1"); ok {
		t.Error("the image has its tag")
	}
	baseLayer(w)
	reg.Heal()
	w.must("push", "thin.tar", w.ref("copy:1"))
}

// TestInventoryOfAnother saves for one registry and pushes to another: exit 3, and nothing arrives.
func TestInventoryOfAnother(t *testing.T) {
	w := newWorld(t)
	seedUpdate(w)
	w.must("inventory", w.ref("first"), "-o", "far.inv")
	w.must("save", w.ref("next:1"), "--since", "far.inv", "-o", "thin.tar")
	w.fresh()
	r := w.drayage("push", "thin.tar", w.ref("copy:1"))
	base := digest.FromBytes(layers("base", small)[0].Content)
	if r.code != 3 || !strings.Contains(r.stderr, base.String()) {
		t.Errorf("%s", r)
	}
	if all := w.registry.Load().All(); len(all) > 0 {
		t.Errorf("the registry has %q", all)
	}
	// It has asked whether the registry can mount the base from anywhere, which opens an upload where it cannot.
	if sent, open := w.Received("", ""), w.registry.Load().OpenUploads(); sent > 0 || open > 0 {
		t.Errorf("%d bytes were sent, and %d uploads are open", sent, open)
	}
}
