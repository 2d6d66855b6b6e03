//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drayage/test/reliability"
)

// block is the size of a block of the archives here.
const block = 4 << 20

// volumeScenarios write and mend archives in volumes.
var volumeScenarios = []scenario{
	{name: "save --volume-size", seed: seedCut, prepare: fetchedCut, sound: soundVolumes,
		args: always("save", "images", "-o", "d.tar", "--volume-size", "4M")},
	{name: "save --volume-size --parity over older volumes", seed: seedCut, prepare: olderVolumes,
		sound: soundVolumes,
		args:  always("save", "images", "-o", "d.tar", "--volume-size", "4M", "--parity", "1", "--format", "oci")},
	{name: "save --volume-size --only", seed: seedCut, prepare: twoLost, sound: soundVolumes,
		args: always("save", "images", "-o", "d.tar", "--volume-size", "4M", "--only", "1,3")},
	{
		name:    "repair",
		seed:    seedCut,
		prepare: hurtVolumes,
		args:    always("repair", "d.tar.set"),
		sound:   soundMended,
	},
}

// What TestKillPoints and TestErrorsAtEveryStep do, to volumes.
func TestVolumesAtEveryStep(t *testing.T) {
	var all [][]string
	row := func(what string) func(rows [][]string) {
		return func(rows [][]string) {
			for _, r := range rows {
				all = append(all, append([]string{what}, r...))
			}
		}
	}
	t.Run("kill", func(t *testing.T) { everyPoint(t, volumeScenarios, (*point).tryKill, row("killed")) })
	t.Run("error", func(t *testing.T) {
		if !canFailCalls {
			t.Skip("calls can be made to fail on amd64 only")
		}
		everyPoint(t, volumeScenarios, (*point).tryError, row("EIO or ENOSPC"))
	})
	enter(t, "27-volumes-at-every-step", reliability.Section{
		Title: "Volumes: killed, or a failing disk, at every step",
		Text: "This is done as in the two tables about every step above. A volume, a parity volume or a set file " +
			"that has its final name is then the whole old one or the whole new one. A set file beside volumes of " +
			"another run does not pass `verify`. `repair` never makes a good block bad. The same command then " +
			"finishes the work, with the bytes that a run without a fault gives.",
		Head: []string{"fault", "command", "points", "tried", "survived"},
		Rows: all,
	})
}

func seedCut(w *world) {
	w.put("cut", 9<<20)
	w.put("cutold", 9<<20)
}

func fetchedCut(w *world) { w.must("fetch", w.ref("cut:1"), "-o", "images") }

func olderVolumes(w *world) {
	fetchedCut(w)
	w.must("save", w.ref("cutold:1"), "-o", "d.tar", "--volume-size", "4M", "--parity", "1", "--format", "oci")
}

// twoLost is an archive of which two volumes are lost on the near side, where the images are.
func twoLost(w *world) {
	fetchedCut(w)
	w.must("save", "images", "-o", "d.tar", "--volume-size", "4M")
	for _, name := range []string{"d.tar.001", "d.tar.003"} {
		if err := os.Remove(w.path(name)); err != nil {
			w.Fatal(err)
		}
	}
}

// hurtVolumes is an archive of which a volume is lost and a block of another one is bad.
func hurtVolumes(w *world) {
	w.must("save", w.ref("cut:1"), "-o", "d.tar", "--volume-size", "8M", "--parity", "2", "--format", "oci")
	raw := w.read("d.tar.001")
	raw[block+100] ^= 1
	w.write("d.tar.001", raw)
	if err := os.Remove(w.path("d.tar.002")); err != nil {
		w.Fatal(err)
	}
}

// finalName is that of a volume, of a parity volume or of a set file.
var finalName = regexp.MustCompile(`^d\.tar\.(\d{3}|p\d{2}|set)$`)

// soundVolumes holds at any moment: whatever has a final name is whole, old or new, and a set file that does
// not belong to the volumes beside it is noticed.
func soundVolumes(p *point) error {
	now := p.snapshot()
	ages := map[string]bool{}
	for name, sum := range now {
		if !finalName.MatchString(name) {
			continue
		}
		switch old, known := p.before[name]; {
		case p.clean == nil || known && sum == old && sum == p.clean[name]:
		case known && sum == old:
			ages["old"] = true
		case sum == p.clean[name]:
			ages["new"] = true
		default:
			return fmt.Errorf("%s is neither what it was nor what it should be", name)
		}
	}
	if _, ok := now["d.tar.set"]; ok {
		r := p.drayage("verify", "d.tar.set")
		if len(ages) > 1 && r.code == 0 {
			return fmt.Errorf("volumes of two archives are taken for one: %s", r)
		}
		if r.code != 0 && r.code != 3 && r.code != 6 {
			return fmt.Errorf("%s", r)
		}
	}
	return p.onlyNew("d.tar.")
}

// soundMended holds while volumes are mended: what was good stays good, block by block, and no volume has its
// name before it is whole.
func soundMended(p *point) error {
	files, err := filepath.Glob(p.path("d.tar.*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !finalName.MatchString(name) {
			continue
		}
		raw := p.read(name)
		if p.clean == nil { // the run to its end
			if err := os.WriteFile(filepath.Join(p.aside, name), raw, 0o600); err != nil {
				return err
			}
			continue
		}
		clean, err := os.ReadFile(filepath.Join(p.aside, name))
		if err != nil {
			return err
		}
		if len(raw) != len(clean) {
			return fmt.Errorf("%s has %d bytes, not %d", name, len(raw), len(clean))
		}
		bad := -1 // the block that is being mended
		if name == "d.tar.001" {
			bad = 1
		}
		for at := 0; at < len(raw); at += block {
			end := min(at+block, len(raw))
			if at/block != bad && !bytes.Equal(raw[at:end], clean[at:end]) {
				return fmt.Errorf("block %d of %s was good", at/block, name)
			}
		}
	}
	for _, d := range differences(p.before, p.snapshot()) {
		if !strings.HasPrefix(d, "d.tar.") {
			return fmt.Errorf("%s", d)
		}
	}
	return nil
}
