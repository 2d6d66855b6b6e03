//go:build linux

package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
)

// patchScenarios are the commands that make layers again which travel as patches.
var patchScenarios = []scenario{
	{name: "save of an archive with patches and its base", seed: seedVersions, prepare: patchedAndOld,
		args: always("save", "patched.tar", "--base", "old.tar", "-o", "image.tar"), sound: soundTar},
	{name: "push of an archive with patches", seed: seedVersions, prepare: patchedAndOld,
		args: pushing("patched.tar"), sound: soundPush, counts: changesAnything, pushes: true, base: oldVersion},
}

// version is the layer of a program that differs a little from version to version.
func version(v string) fakeregistry.Layer {
	program := make([]byte, 600<<10)
	rand.NewChaCha8(sha256.Sum256([]byte("program"))).Read(program)
	copy(program[len(program)/2:], v)
	return fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"app": hex.EncodeToString(program)}))
}

// seedVersions stores two versions of an image: nothing but a few bytes of their layers differs.
func seedVersions(w *world) {
	for _, v := range []string{"first", "next"} {
		w.registry.Load().PutImage(v, "1", fakeregistry.Image{Platform: platform,
			Layers: []fakeregistry.Layer{version(v)}})
	}
}

// oldVersion puts the first version where the next one is to go.
func oldVersion(w *world) { w.registry.Load().PutBlob("copy", version("first").Content) }

func patchedAndOld(w *world) {
	oldArchive(w)
	w.must("save", w.ref("next:1"), "--since", "old.tar", "--patch", "-o", "patched.tar")
	if n := len(w.read("patched.tar")); n > 100<<10 {
		w.Fatalf("%d bytes: there is no patch", n)
	}
}

// What save --patch had made before it was killed, the same command does not make again: it does not even
// read the layer.
func TestKilledPatches(t *testing.T) {
	w := newWorld(t)
	seedVersions(w)
	late := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"late": "too small for a patch"}))
	w.registry.Load().PutImage("next", "1", fakeregistry.Image{Platform: platform,
		Layers: []fakeregistry.Layer{version("next"), late}})
	oldArchive(w)
	layer := "/blobs/" + digest.FromBytes(version("next").Content).String()
	lately := "/blobs/" + digest.FromBytes(late.Content).String()
	w.On(fakeregistry.Match{Method: http.MethodGet, Path: lately, Count: 1}, fakeregistry.Hang())
	args := []string{"save", w.ref("next:1"), "--since", "old.tar", "--patch", "-o", "new.tar"}
	reached := func() bool { return len(w.Requests(http.MethodGet, lately)) > 0 }
	if !w.killWhen(append([]string{binary}, args...), reached) {
		t.Fatal("it had ended before")
	}
	read := len(w.Requests(http.MethodGet, layer))
	if read == 0 || len(w.read("new.tar.partial.patches")) == 0 {
		t.Fatalf("the layer was read %d times, and this is there: %v", read, w.snapshot())
	}
	w.must(args...)
	if again := len(w.Requests(http.MethodGet, layer)) - read; again > 0 {
		t.Errorf("the layer was read %d times more", again)
	}
	if w.snapshot()["new.tar.partial.patches"] != "" {
		t.Error("the patches are still there")
	}
	w.must("verify", "new.tar", "--base", "old.tar")
}
