//go:build linux

package volumes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"drayage/test/reliability"
)

// The exit codes of drayage that count here.
const (
	exitUsage     = 2
	exitNotFound  = 3
	exitDenied    = 4
	exitIntegrity = 6
)

// harm is something that happens to a bundle in a directory.
type harm struct {
	name  string
	do    func(w *world, b *bundle)
	names []string // files; the error names one of them; none: no file is asked for
	codes []int    // of verify
	cure  int      // parity volumes that a repair needs, or one of those below
	class string
}

// Values of cure.
const (
	nothing = 0  // is lost
	beyond  = -1 // repair: it is the set file that is wrong
	either  = -2 // it may be mended, or not
)

// in is the directory of the bundle, within that of the world.
const in = "in"

func inside(file string) string { return filepath.Join(in, file) }

// outcome of all that one harm was tried with.
type outcome struct{ tried, held int }

var (
	outcomesMu sync.Mutex
	outcomes   = map[string]*outcome{}
)

// reference is what the commands do with a bundle that is whole.
type reference struct {
	*bundle
	inspected string
	pushed    string   // state of the registry
	sent      [][]byte // to the registry
	saved     []byte
	key       []string // flags of all commands
}

// refer runs all commands on a whole bundle.
func refer(t *testing.T, b *bundle) *reference {
	t.Helper()
	w := newWorld(t)
	b.unpack(w, in)
	ref := &reference{bundle: b, key: b.flags(t)}
	source := inside(setFile)
	ref.must(w, "verify", source)
	ref.inspected = ref.must(w, "inspect", source).stdout
	ref.must(w, "save", source, "-o", "out/y.tar", "--format", b.format)
	ref.saved = w.read("out/y.tar")
	registry := newWitness(t)
	ref.must(w, "push", source, registry.Addr()+"/copy:1")
	ref.pushed, ref.sent = registry.state(), registry.contents()
	if before, r := snapshot(t, w.path(in)), ref.run(w, "repair", source); b.parity > 0 {
		if d := differences(before, snapshot(t, w.path(in))); r.code != 0 || len(d) > 0 {
			t.Fatalf("repair of what is whole: %s, %q", r, d)
		}
	}
	return ref
}

// run runs a command with the key of the bundle.
func (ref *reference) run(w *world, args ...string) result {
	w.Helper()
	return w.drayage(append(args, ref.key...)...)
}

func (ref *reference) must(w *world, args ...string) result {
	w.Helper()
	r := ref.run(w, args...)
	if r.code != 0 {
		w.Fatalf("%s", r)
	}
	return r
}

// try does harm to the bundle and runs all commands on it.
func (ref *reference) try(t *testing.T, h harm, source string) {
	w := newWorld(t)
	ref.unpack(w, in)
	h.do(w, ref.bundle)
	hurt := snapshot(t, w.path(in))
	ref.tryVerify(w, h, source)
	ref.tryInspect(w, h, source)
	ref.tryPush(w, h, source)
	ref.trySave(w, h, source)
	if d := differences(hurt, snapshot(t, w.path(in))); len(d) > 0 {
		t.Errorf("commands that only read have changed something: %q", d)
	}
	ref.tryRepair(w, h, hurt)
}

func (ref *reference) tryVerify(w *world, h harm, source string) {
	w.Helper()
	r := ref.run(w, "verify", source)
	if h.cure == nothing && len(h.codes) == 0 {
		if r.code != 0 {
			w.Errorf("nothing is lost, but %s", r)
		}
		return
	}
	if r.code == 0 {
		w.Errorf("not noticed: %s", r)
		return
	}
	ref.failed(w, h, r, h.codes)
}

// failed checks how a command failed.
func (ref *reference) failed(w *world, h harm, r result, codes []int) {
	w.Helper()
	if !slices.Contains(codes, r.code) {
		w.Errorf("the exit code is not one of %v: %s", codes, r)
	}
	if len(h.names) > 0 && !slices.ContainsFunc(h.names, func(name string) bool {
		return strings.Contains(r.said(), name)
	}) {
		w.Errorf("none of %q is named: %s", h.names, r)
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		w.Errorf("drayage broke down: %s", r)
	}
}

// tryInspect: what is told is right, or it is told what is wrong.
func (ref *reference) tryInspect(w *world, h harm, source string) {
	w.Helper()
	switch r := ref.run(w, "inspect", source); {
	case r.code != 0:
		ref.failed(w, h, r, append(h.codes, exitIntegrity))
	case strings.Contains(r.stdout, "(not inside)"):
		ref.failed(w, h, r, []int{0}) // the volume that has the layer is named
	case !strings.Contains(r.stdout, strings.TrimSpace(ref.inspected)):
		w.Errorf("inspect says something else than of what is whole:\n%s", r.stdout)
	}
}

// tryPush: a push succeeds with all that is right, or sends nothing that is wrong.
func (ref *reference) tryPush(w *world, h harm, source string) {
	w.Helper()
	registry := newWitness(w)
	r := ref.run(w, "push", source, registry.Addr()+"/copy:1")
	if path := registry.stranger(ref.sent); path != "" {
		w.Errorf("push has sent something wrong to %s: %s", path, r)
	}
	if r.code == 0 {
		if got := registry.state(); got != ref.pushed {
			w.Errorf("push ended with 0, but the registry has %s and not %s", got, ref.pushed)
		}
		return
	}
	if d, ok := registry.registry.Tag("copy", "1"); ok {
		w.Errorf("push failed, but the tag leads to %s: %s", d.Digest, r)
	}
	ref.failed(w, h, r, append(h.codes, exitIntegrity))
	if r.code == exitNotFound && registry.writes() > 0 {
		w.Errorf("something was sent before it was said what is missing: %s", r)
	}
}

// trySave: the same bytes, or nothing.
func (ref *reference) trySave(w *world, h harm, source string) {
	w.Helper()
	r := ref.run(w, "save", source, "-o", "out/y.tar", "--format", ref.format)
	if r.code == 0 {
		if string(w.read("out/y.tar")) != string(ref.saved) {
			w.Errorf("save ended with 0, and the archive is another one")
		}
		return
	}
	ref.failed(w, h, r, append(h.codes, exitIntegrity))
	if left := snapshot(w, w.path("out/")); len(left) > 0 {
		w.Errorf("save failed and left %v: %s", left, r)
	}
}

// tryRepair: all is as it was before the harm, or nothing has changed.
func (ref *reference) tryRepair(w *world, h harm, hurt map[string]string) {
	w.Helper()
	r := ref.run(w, "repair", inside(setFile))
	now := snapshot(w, w.path(in))
	if r.code != 0 {
		if h.cure >= 0 && h.cure <= ref.parity && ref.parity > 0 {
			w.Errorf("%d volumes of parity are enough, but %s", ref.parity, r)
		}
		if d := differences(hurt, now); len(d) > 0 {
			w.Errorf("repair failed and changed %q: %s", d, r)
		}
		ref.failed(w, h, r, append(h.codes, exitIntegrity, exitUsage))
		return
	}
	if h.cure == beyond {
		w.Errorf("repair mended what nobody can: %s", r)
	}
	whole := newWorld(w)
	ref.unpack(whole, in)
	if d := lacking(snapshot(w, whole.path(in)), now); len(d) > 0 {
		w.Errorf("repair ended with 0, but %q are not as they were: %s", d, r)
	}
}

// damage runs harms on a bundle, side by side.
func damage(t *testing.T, k kind, harms func(b *bundle) []harm) {
	b := newBundle(t, k, "new")
	ref := refer(t, b)
	sources := []string{inside(setFile), inside(name + ".001"), in}
	for i, h := range harms(b) {
		if !*every && i%4 != len(k.String())%4 {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			source := sources[i/4%len(sources)]
			if slices.Contains(h.names, name+".001") {
				source = inside(setFile) // the first volume may be gone
			}
			t.Cleanup(func() { count(h.class, !t.Failed()) })
			ref.try(t, h, source)
		})
	}
}

func count(class string, held bool) {
	outcomesMu.Lock()
	defer outcomesMu.Unlock()
	o := outcomes[class]
	if o == nil {
		o = &outcome{}
		outcomes[class] = o
	}
	o.tried++
	if held {
		o.held++
	}
}

// kinds are the bundles that harm is done to.
var kinds = []kind{
	{format: "oci"}, {format: "docker"},
	{format: "oci", parity: 2}, {format: "docker", parity: 2},
	{format: "oci", parity: 1, signed: true},
}

// TestDamage changes a byte of every class, and makes every mistake with volumes.
func TestDamage(t *testing.T) {
	t.Cleanup(func() { enterDamage(t) })
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			damage(t, k, func(b *bundle) []harm {
				return slices.Concat(flips(b), mistakes(b), setFields(b), signatureBytes(b))
			})
		})
	}
}

func enterDamage(t *testing.T) {
	s := reliability.Section{
		Title: "Volumes that are hurt", Source: "go test ./volumes -every -update",
		Text: "An archive of 7.5 MiB was in volumes of 2 MiB with blocks of 1 MiB: as OCI tar and as docker tar, " +
			"with and without parity volumes, and signed. One thing was done to it, and then `verify`, `inspect`, " +
			"`push`, `save` and `repair` ran. It is survived if `verify` names the volume and ends with the right " +
			"exit code; if whatever succeeds gives the same as without the harm; if the registry receives no wrong " +
			"byte, and no tag after a failure; if no half file is left; and if `repair` either makes every byte " +
			"again or changes nothing. What was not changed is the hash of the whole archive, or of a whole " +
			"volume, in an unsigned set file: the hashes of blocks decide, and `verify` does not compare the " +
			"others.",
		Head: []string{"what was done", "tried", "survived"},
	}
	outcomesMu.Lock()
	defer outcomesMu.Unlock()
	var all outcome
	for _, class := range classes {
		if o := outcomes[class]; o != nil {
			s.Rows = append(s.Rows, []string{class, fmt.Sprint(o.tried), fmt.Sprint(o.held)})
			all.tried, all.held = all.tried+o.tried, all.held+o.held
		}
	}
	s.Rows = append(s.Rows, []string{"all", fmt.Sprint(all.tried), fmt.Sprint(all.held)})
	if *every {
		enter(t, "78-volumes-damage", s)
	}
}
