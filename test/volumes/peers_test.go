//go:build linux

package volumes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
	"drayage/test/reliability"
)

const (
	peerContent = 18 << 20 // bytes that are cut
	peerVolume  = 2 << 20
)

// carrier is a tool that cuts something into volumes and reads it again.
type carrier struct {
	name    string
	program string // that must be there; empty: drayage
	// cut makes the volumes of a bundle of some age in the directory in, and returns their names. Some tools
	// make more files.
	cut func(w *world, age string) []string
	// take reads them and writes into the directory out, if the tool does so.
	take   func(w *world) result
	repair func(w *world) result // nil: the tool cannot
}

// mishap is what can come over volumes on their way. The third one is hurt.
type mishap struct {
	name  string
	befal func(w *world, volumes, older []string)
	whole bool // nothing is lost: drayage reads it as if nothing had happened
}

var mishaps = []mishap{
	{name: "a byte is flipped", befal: func(w *world, volumes, _ []string) { w.flip(volumes[2], peerVolume/2) }},
	{name: "a volume is missing", befal: func(w *world, volumes, _ []string) { w.remove(volumes[2]) }},
	{name: "the last volume is missing",
		befal: func(w *world, volumes, _ []string) { w.remove(volumes[len(volumes)-1]) }},
	{
		name:  "two volumes are swapped",
		whole: true,
		befal: func(w *world, volumes, _ []string) { w.swap(volumes[2], volumes[3]) },
	},
	{name: "a volume is of an older archive",
		befal: func(w *world, volumes, older []string) { w.write(volumes[2], w.read(older[2])) }},
	{name: "a volume is cut short", befal: func(w *world, volumes, _ []string) {
		w.write(volumes[2], w.read(volumes[2])[:peerVolume/2])
	}},
	{name: "a volume is empty", befal: func(w *world, volumes, _ []string) { w.write(volumes[2], nil) }},
	{name: "a volume was copied over another", befal: func(w *world, volumes, _ []string) {
		w.write(volumes[2], w.read(volumes[3]))
	}},
	{name: "a copy of a volume has the next number", whole: true, befal: func(w *world, volumes, _ []string) {
		last := volumes[len(volumes)-1]
		next := last[:len(last)-2] + fmt.Sprintf("%02d", len(volumes)+1)
		w.write(next, w.read(volumes[2]))
	}},
}

// flip changes one bit.
func (w *world) flip(name string, at int64) {
	w.Helper()
	f, err := os.OpenFile(w.path(name), os.O_RDWR, 0)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		w.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		w.Fatal(err)
	}
}

func (w *world) swap(a, b string) {
	w.Helper()
	w.rename(a, "swapped")
	w.rename(b, a)
	w.rename("swapped", b)
}

// TestPeers writes down what drayage and other tools make of volumes that are hurt. It judges only drayage.
func TestPeers(t *testing.T) {
	if os.Getenv("DRAYAGE_PEERS") == "" {
		t.Skip("DRAYAGE_PEERS is not set")
	}
	s := reliability.Section{
		Title: "Volumes and other tools", Source: "make peers",
		Text: "Each tool cut 18 MiB into volumes of 2 MiB. Then one thing happened to the third volume, and the " +
			"tool read the volumes. \"Names it\" says that the volume's file name stood in what the tool said. The " +
			"number is the exit code. \"Takes it\" says that it ended with 0: drayage reads swapped volumes in " +
			"their right order, and leaves a copy alone. \"Mended\" says that the tool then made every volume " +
			"again, equal to the byte. Of zarf only the step that joins was tried. It removes the volumes when it " +
			"has joined them, and zarf looks at the contents after that.",
		Head: []string{"what happened"},
	}
	rows := make([][]string, len(mishaps)+1)
	for i, m := range mishaps {
		rows[i] = []string{m.name}
	}
	rows[len(mishaps)] = []string{"written to disk to read whole volumes"}
	for _, c := range carriers(t) {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); c.program != "" && err != nil {
				t.Skip("not here")
			}
			s.Head = append(s.Head, c.name)
			for i, m := range mishaps {
				cell := c.meet(t, m)
				rows[i] = append(rows[i], cell)
				if c.program == "" && !m.whole && !strings.HasPrefix(cell, "names it") {
					t.Errorf("%s: drayage %s", m.name, cell)
				}
			}
			rows[len(mishaps)] = append(rows[len(mishaps)], c.writes(t))
		})
	}
	s.Rows = rows
	enter(t, "80-volumes-peers", s)
}

// writes is how much a tool writes to read what is whole.
func (c carrier) writes(t *testing.T) string {
	w := newWorld(t)
	c.cut(w, "new")
	r := c.take(w)
	if r.code != 0 {
		t.Errorf("%s does not take what is whole: %s", c.name, r)
	}
	return fmt.Sprintf("%.0f MiB", float64(r.written)/(1<<20))
}

// meet lets the tool read volumes after a mishap.
func (c carrier) meet(t *testing.T, m mishap) string {
	w := newWorld(t)
	older := c.cut(w, "old")
	w.rename("in", "older")
	w.write("in/.keep", nil)
	w.remove("in/.keep")
	for i, name := range older {
		older[i] = "older" + strings.TrimPrefix(name, "in")
	}
	volumes := c.cut(w, "new")
	whole := snapshot(t, w.path("in"))
	m.befal(w, volumes, older)
	hurt := snapshot(t, w.path("in"))
	r := c.take(w)
	t.Logf("%s: %.300s", m.name, r)
	cell := c.word(r, volumes)
	joined, err := os.ReadFile(w.path("out/x.tar"))
	if r.code == 0 && err == nil && !bytes.Equal(joined, noise("new", peerContent)) {
		cell += ", and what it joins is wrong"
	}
	if gone := lost(hurt, snapshot(t, w.path("in"))); gone > 0 {
		cell += fmt.Sprintf("; %d volumes are gone", gone)
	}
	if n := size(t, w.path("out")); r.code != 0 && n > 0 {
		cell += fmt.Sprintf("; leaves %d KiB", (n+1023)>>10)
	}
	if c.repair != nil && r.code != 0 {
		r = c.repair(w)
		if d := lacking(whole, snapshot(t, w.path("in"))); r.code == 0 && len(d) == 0 {
			cell += "; mended"
		} else {
			t.Logf("repair: %.300s; %v", r, d)
			cell += fmt.Sprintf("; not mended: %d", r.code)
		}
	}
	return cell
}

// word is what a run comes to.
func (c carrier) word(r result, volumes []string) string {
	if r.code == 0 {
		return "takes it"
	}
	for _, name := range []string{volumes[2], volumes[3], volumes[len(volumes)-1]} {
		if base := filepath.Base(name); strings.Contains(strings.ReplaceAll(r.said(), base+"]", ""), base) {
			return fmt.Sprintf("names it: %d", r.code)
		}
	}
	return fmt.Sprintf("refuses: %d", r.code)
}

// lost counts the files that were there and are not.
func lost(before, after map[string]string) (n int) {
	for name := range before {
		if _, ok := after[name]; !ok {
			n++
		}
	}
	return n
}

// lacking lists the files that are not as they were; more files do not count.
func lacking(want, got map[string]string) (all []string) {
	for name, sum := range want {
		if got[name] != sum {
			all = append(all, name)
		}
	}
	return all
}

// size sums the files below a directory, which need not be there.
func size(t testing.TB, dir string) (n int64) {
	t.Helper()
	filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// listed are the volumes in the directory in that match a pattern, in their order.
func (w *world) listed(pattern string) []string {
	w.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "in", pattern))
	if err != nil || len(found) < 5 {
		w.Fatalf("%d volumes, %v", len(found), err)
	}
	for i := range found {
		found[i] = filepath.Join("in", filepath.Base(found[i]))
	}
	return found
}

// succeeds runs what must succeed.
func (w *world) succeeds(argv ...string) {
	w.Helper()
	if r := w.run(argv...); r.code != 0 {
		w.Fatalf("%s", r)
	}
}

// carriers are the tools, drayage first.
func carriers(t *testing.T) []carrier {
	addr := map[string]string{}
	for _, age := range []string{"old", "new"} {
		registry := fakeregistry.New()
		registry.PutImage("app", "1", fakeregistry.Image{Platform: platform,
			Layers: []fakeregistry.Layer{layer(age, peerContent)}})
		s := faultreg.Start(registry, false)
		t.Cleanup(s.Close)
		addr[age] = s.Addr() + "/app:1"
	}
	return []carrier{
		{name: "drayage verify, repair", cut: func(w *world, age string) []string {
			w.must("save", addr[age], "-o", "in/x.tar", "--format", "oci", "--volume-size", "2M", "--parity", "2")
			return w.listed("x.tar.0*")
		},
			take:   func(w *world) result { return w.drayage("verify", "in/x.tar.set") },
			repair: func(w *world) result { return w.drayage("repair", "in/x.tar.set") }},
		par2(), summed(), hauler(addr), zarf(),
	}
}

// content puts what is cut into the directory in.
func (w *world) content(age string) {
	w.write("in/x.tar", noise(age, peerContent))
}

func par2() carrier {
	return carrier{name: "par2", program: "par2", cut: func(w *world, age string) []string {
		w.content(age)
		w.succeeds(
			"split",
			"-b",
			fmt.Sprint(peerVolume),
			"-a",
			"3",
			"--numeric-suffixes=1",
			"in/x.tar",
			"in/x.tar.",
		)
		w.remove("in/x.tar")
		volumes := w.listed("x.tar.0*")
		w.succeeds(
			append([]string{"par2", "create", "-q", "-q", fmt.Sprint("-s", peerVolume/4), "-c8", "in/x.par2"},
				volumes...)...)
		return volumes
	},
		take:   func(w *world) result { return w.run("par2", "verify", "-q", "in/x.par2") },
		repair: func(w *world) result { return w.run("par2", "repair", "-q", "in/x.par2") }}
}

// summed is split with the sums of the volumes beside them.
func summed() carrier {
	return carrier{name: "split, sha256sum -c", program: "split", cut: func(w *world, age string) []string {
		w.content(age)
		w.succeeds(
			"sh",
			"-c",
			fmt.Sprintf("cd in && split -b %d -a 3 --numeric-suffixes=1 x.tar x.tar. && rm x.tar && "+
				"sha256sum x.tar.* >SHA256SUMS", peerVolume),
		)
		return w.listed("x.tar.0*")
	}, take: func(w *world) result {
		return w.run(
			"sh",
			"-c",
			"cd in && sha256sum -c --quiet SHA256SUMS && mkdir -p ../out && cat x.tar.0* >../out/x.tar",
		)
	}}
}

func hauler(addr map[string]string) carrier {
	return carrier{name: "hauler store load", program: "hauler", cut: func(w *world, age string) []string {
		w.remove("store")
		w.write("in/.keep", nil)
		w.succeeds("hauler", "store", "add", "image", addr[age], "-s", "store")
		w.succeeds("hauler", "store", "save", "-s", "store", "-f", "in/x.tar.zst", "--chunk-size",
			fmt.Sprint(peerVolume>>20, "M"))
		return w.listed("x.tar.zst.0*")
	}, take: func(w *world) result {
		return w.run("hauler", "store", "load", "-f", "in/x.tar.zst.001", "-s", "out")
	}}
}

// zarf is only the step that joins. zarf-split is a program of a few lines within zarf's own source tree: it
// calls SplitFile and ReassembleFile of its package split.
func zarf() carrier {
	return carrier{name: "zarf: joins", program: "zarf-split", cut: func(w *world, age string) []string {
		w.content(age)
		w.succeeds("zarf-split", "split", "in/x.tar", fmt.Sprint(peerVolume))
		return w.listed("x.tar.part00[1-9]")
	}, take: func(w *world) result {
		w.write("out/.keep", nil)
		return w.run("zarf-split", "join", "in/x.tar.part000", "out/x.tar")
	}}
}
