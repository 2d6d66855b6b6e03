//go:build linux

package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/fakeregistry"
	"drayage/test/registry3"
)

const (
	small = 200 << 10
	large = 9 << 20 // is brought in ranges
)

// scenarios are the commands that change something.
var scenarios = append([]scenario{
	{name: "fetch", seed: seedSmall, args: fetching("app"), sound: soundImages},
	{name: "fetch --platform all", seed: seedPlatforms, args: fetching("multi", "--platform", "all"),
		sound: soundImages},
	{name: "fetch of a large layer", seed: seedLarge, args: fetching("large"), sound: soundImages},
	{name: "fetch into a layout with other images", seed: seedSmall, prepare: otherImages, args: fetching("app"),
		sound: soundImages},
	{name: "save from a registry", seed: seedSmall, prepare: oldTar, args: saving("app", formatDocker),
		sound: soundTar},
	{name: "save from a layout", seed: seedSmall, prepare: fetched, args: saving("", formatDocker),
		sound: soundTar},
	{name: "save --compress gzip", seed: seedSmall, prepare: fetched,
		args: saving("", formatDocker, "--compress", "gzip"), sound: soundTar},
	{name: "save --format oci from a registry", seed: seedLarge, prepare: oldTar,
		args: saving("large", formatOCI), sound: soundTar},
	{name: "save --format oci from a layout", seed: seedSmall, prepare: fetched, args: saving("", formatOCI),
		sound: soundTar},
	{name: "verify --repair", seed: seedSmall, prepare: damaged, args: always("verify", "--repair", "images"),
		sound: soundRepair},
	{name: "tag", seed: seedSmall, prepare: twoImages, sound: soundImages,
		args: always("tag", "oci:images:app:1", "corp.test/new:2")},
	{name: "rm", seed: seedSmall, prepare: twoImages, args: removing, sound: soundRemoval},
	{name: "gc", seed: seedSmall, prepare: removed, args: always("gc", "images"), sound: soundImages},
	{name: "push of a layout", seed: seedSmall, prepare: fetched, args: pushing("images"), sound: soundPush,
		counts: changesAnything, pushes: true},
	{name: "push of a tar", seed: seedSmall, prepare: saved, args: pushing("old.tar"), sound: soundPush,
		counts: changesAnything, pushes: true},
	{name: "login", seed: guarded, prepare: credentials, args: loggingIn, stdin: "password", sound: soundLogin,
		counts: changesAnything},
}, slices.Concat(thinScenarios, patchScenarios)...)

const (
	formatDocker = "docker"
	formatOCI    = "oci"
)

func seedSmall(w *world) {
	w.put("app", small, 10<<10)
	w.put("old", 10<<10)
}
func seedPlatforms(w *world) { w.putPlatforms("multi", small) }
func seedLarge(w *world)     { w.put("large", large, 10<<10) }

func always(args ...string) func(*world) []string {
	return func(*world) []string { return args }
}

func fetching(name string, more ...string) func(*world) []string {
	return func(w *world) []string {
		return append([]string{"fetch", w.ref(name + ":1"), "-o", "images"}, more...)
	}
}

func saving(name, format string, more ...string) func(*world) []string {
	return func(w *world) []string {
		source := "images"
		if name != "" {
			source = w.ref(name + ":1")
		}
		return append([]string{"save", source, "-o", "image.tar", "--format", format}, more...)
	}
}

func pushing(source string) func(*world) []string {
	return func(w *world) []string { return []string{"push", source, w.ref("copy:1")} }
}

func loggingIn(w *world) []string {
	return []string{"login", w.Addr(), "-u", "ann", "--password-stdin"}
}

// otherImages makes a layout with an image, and with what another tool may have put there.
func otherImages(w *world) {
	w.must("fetch", w.ref("old:1"), "-o", "images")
	var fields map[string]any
	if err := json.Unmarshal(w.read("images/index.json"), &fields); err != nil {
		w.Fatal(err)
	}
	fields["com.example.field"] = map[string]any{"kept": true}
	raw, err := json.Marshal(fields)
	if err != nil {
		w.Fatal(err)
	}
	w.write("images/index.json", raw)
}

func fetched(w *world) {
	w.must("fetch", w.ref("app:1"), "-o", "images")
	oldTar(w)
}

func twoImages(w *world) {
	w.must("fetch", w.ref("old:1"), "-o", "images")
	w.must("fetch", w.ref("app:1"), "-o", "images")
}

// removing takes an image out, and looks at the layout if that has been done.
func removing(w *world) []string {
	if strings.Contains(string(w.read("images/index.json")), "/app:1") {
		return []string{"rm", "oci:images:app:1"}
	}
	return []string{"verify", "images"}
}

// removed makes a layout with the blobs of an image that has been taken out.
func removed(w *world) {
	twoImages(w)
	w.must("rm", "oci:images:app:1")
}

func oldTar(w *world) { w.write("image.tar", []byte("what was there before")) }

func saved(w *world) { w.must("save", w.ref("app:1"), "-o", "old.tar") }

// damaged makes a layout of two images whose index.json is torn in the second entry, and which has lost its
// marker.
func damaged(w *world) {
	w.must("fetch", w.ref("old:1"), "-o", "images")
	w.must("fetch", w.ref("app:1"), "-o", "images")
	raw := w.read("images/index.json")
	w.write("images/index.json", raw[:len(raw)-60])
	if err := os.Remove(w.path("images/oci-layout")); err != nil {
		w.Fatal(err)
	}
}

func guarded(w *world) { w.registry.Load().RequireBasic("ann", "secret") }

const oldCredentials = `{"auths":{"registry.example":{"auth":"Ym9iOnB3"}},"psFormat":"table"}`

func credentials(w *world) {
	w.write("docker/config.json", []byte(oldCredentials))
	w.write("password", []byte("secret\n"))
}

// fresh gives the world an empty registry.
func (w *world) fresh() {
	w.registry.Store(fakeregistry.New())
	w.replace(nil)
}

// distribution puts another empty one in its place, that which most people run.
func (w *world) distribution() {
	w.Helper()
	s, err := registry3.Start(w.Context(), registry3.Options{})
	if err != nil {
		w.Fatal(err)
	}
	w.replace(s)
}

// replace ends the one that was in the registry's place.
func (w *world) replace(s *registry3.Server) {
	if old := w.other.Swap(s); old != nil {
		old.Close()
	}
}

// state is what the directory holds and what a registry that is pushed to has.
func (p *point) state() map[string]string {
	all := p.snapshot()
	if p.s.pushes {
		reg := p.registry.Load()
		blobs, manifests, tags := reg.Stored("copy")
		d, _ := reg.Tag("copy", "1")
		all["registry"] = fmt.Sprint(blobs, manifests, tags, d.Digest)
	}
	return all
}

// arrived are the paths of the blobs that need not be transferred again.
func (p *point) arrived() (all []string) {
	if p.s.pushes {
		for _, e := range p.Requests("PUT", "/blobs/uploads/") {
			if _, id, ok := strings.Cut(e.Query, "digest="); ok && e.Status == 201 {
				all = append(all, strings.ReplaceAll(id, "%3A", ":"))
			}
		}
		return all
	}
	files, _ := filepath.Glob(p.path("images/blobs/sha256/*"))
	for _, f := range files {
		if fi, err := os.Stat(f); err != nil || fi.Size() < 1<<10 {
			continue // a configuration is read each time, for the platform that it is for
		}
		all = append(all, "/blobs/sha256:"+filepath.Base(f))
	}
	return all
}

// moved is how much of a blob that arrived returned was transferred.
func (p *point) moved(blob string) (n int64) {
	if !p.s.pushes {
		return p.Sent("GET", blob)
	}
	for _, e := range p.Requests("PUT", "/blobs/uploads/") {
		if strings.Contains(strings.ReplaceAll(e.Query, "%3A", ":"), blob) {
			n += e.Received
		}
	}
	return n
}

// soundImages holds of the layout at any moment, and so does that nothing else has appeared.
func soundImages(p *point) error {
	ix, err := soundLayout(p.path("images"))
	if err != nil {
		return err
	}
	if err := ix.keeps(p.index); err != nil {
		return err
	}
	return p.onlyNew("images/")
}

// soundRemoval holds of a layout that an image is taken out of.
func soundRemoval(p *point) error {
	if _, err := soundLayout(p.path("images")); err != nil {
		return err
	}
	return p.onlyNew("images/")
}

// onlyNew checks that nothing has appeared but what begins with one of these, and nothing has changed
// besides.
func (p *point) onlyNew(allowed ...string) error {
	for _, d := range differences(p.before, p.snapshot()) {
		ok := false
		for _, a := range allowed {
			ok = ok || strings.HasPrefix(d, a)
		}
		if !ok {
			return errors.New(d)
		}
	}
	return nil
}

// soundTar holds of an output at any moment: it is the old one or the new one.
func soundTar(p *point) error {
	now := p.snapshot()["image.tar"]
	if p.clean != nil && now != p.clean["image.tar"] && now != p.before["image.tar"] {
		return errors.New("image.tar is neither what it was nor what it should be")
	}
	return p.onlyNew("image.tar")
}

// soundRepair checks that an image whose entry could be read keeps its name.
func soundRepair(p *point) error {
	if raw, err := os.ReadFile(p.path("images/index.json")); err == nil && !json.Valid(raw) {
		return p.onlyNew("images/") // it is still the torn one
	}
	files := p.snapshot()
	for name, sum := range p.before {
		if strings.HasPrefix(name, "images/blobs/") && files[name] != sum {
			return fmt.Errorf("%s is lost", name)
		}
	}
	return p.onlyNew("images/")
}

func soundPush(p *point) error {
	reg := p.registry.Load()
	if d, ok := reg.Tag("copy", "1"); ok && p.clean != nil {
		want, _, _ := strings.Cut(d.Digest.String(), "@")
		if !strings.HasSuffix(p.clean["registry"], want) {
			return fmt.Errorf("the tag leads to %s", want)
		}
		if got := p.state()["registry"]; got != p.clean["registry"] {
			return fmt.Errorf("the tag is there, but the registry holds %s and not %s", got, p.clean["registry"])
		}
	}
	return p.onlyNew("cache/")
}

// soundLogin holds of the stored credentials at any moment.
func soundLogin(p *point) error {
	now := p.snapshot()["docker/config.json"]
	if p.clean != nil && now != p.clean["docker/config.json"] && now != p.before["docker/config.json"] {
		return errors.New("config.json is neither what it was nor what it should be")
	}
	return p.onlyNew("docker/config.json")
}
