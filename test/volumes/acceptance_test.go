//go:build linux

package volumes

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
)

// memoryLimit is what repair may hold, and every other command twice as much at most.
const memoryLimit = 64 << 20

// source is a registry with one image, and its name.
func source(t testing.TB, layers ...fakeregistry.Layer) string {
	registry := fakeregistry.New()
	registry.PutImage("app", "1", fakeregistry.Image{Platform: platform, Layers: layers})
	s := faultreg.Start(registry, false)
	t.Cleanup(s.Close)
	return s.Addr() + "/app:1"
}

// joins checks that the volumes, one behind the other, are a file.
func joins(w *world, pattern, whole string) {
	w.Helper()
	r := w.run("sh", "-c", "cat "+pattern+" | cmp - "+whole)
	if r.code != 0 {
		w.Errorf("%s", r)
	}
}

// Volumes are plain cuts, one bad byte is named with its place, the volume that holds it can be made again,
// and nothing is written to read them.
func TestVolumes(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			from := source(t, layer("first", 14*mib), layer("second", 9*mib))
			w.must("save", from, "-o", "whole.tar", "--format", format)
			w.must("save", from, "-o", "near/d.tar", "--format", format, "--volume-size", "4M")
			joins(w, "near/d.tar.0*", "whole.tar")
			w.copyAll("near", "far")
			good := w.read("far/d.tar.003")
			w.flip("far/d.tar.003", 1<<20)
			r := w.drayage("verify", "far/d.tar.set")
			if r.code != exitIntegrity || !strings.Contains(r.said(), "d.tar.003") ||
				!strings.Contains(r.said(), "bad d.tar.003: block 0") {
				t.Errorf("one bad byte: %s", r)
			}
			w.remove("near/d.tar.003")
			w.must("save", from, "-o", "near/d.tar", "--format", format, "--volume-size", "4M", "--only", "3")
			if made := w.read("near/d.tar.003"); !bytes.Equal(made, good) {
				t.Errorf("--only 3 makes %x, and it was %x", sha256.Sum256(made), sha256.Sum256(good))
			}
			w.write("far/d.tar.003", w.read("near/d.tar.003"))
			w.must("verify", "far/d.tar.set")
			w.pushesInPlace()
		})
	}
}

// pushesInPlace checks that a push of volumes writes nothing to disk but the notes about layers that a push
// of the archive in one file writes.
func (w *world) pushesInPlace() {
	w.Helper()
	written := map[string]int64{}
	for _, from := range []string{"whole.tar", "far/d.tar.set"} {
		registry := newWitness(w)
		w.remove("cache")
		r := w.must("push", from, registry.Addr()+"/copy:1")
		written[from] = r.written
		if r.peak > 2*memoryLimit {
			w.Errorf("%d MiB of memory: %s", r.peak>>20, r)
		}
	}
	r := w.must("verify", "far/d.tar.set")
	if r.written > 64<<10 || r.peak > 100<<20 {
		w.Errorf("verify writes %d bytes and takes %d MiB of memory", r.written, r.peak>>20)
	}
	if written["far/d.tar.set"] > written["whole.tar"]+64<<10 {
		w.Errorf("bytes written to disk: %v", written)
	}
}

// copyAll copies the files of a directory to another one, which is made.
func (w *world) copyAll(from, to string) {
	w.Helper()
	files, err := os.ReadDir(w.path(from))
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		w.write(filepath.Join(to, f.Name()), w.read(filepath.Join(from, f.Name())))
	}
}

// large is a bundle of ten volumes and two of parity, with six blocks in each.
func large(t *testing.T) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t)
	b := &bundle{kind: kind{parity: 2}, files: map[string][]byte{}}
	w.must("save", source(t, layer("large", 59*mib)), "-o", "whole.tar", "--format", "oci")
	b.archive = w.read("whole.tar")
	b.cut(t, 6*mib)
	b.unpack(w, in)
	if n := b.set.Len(); n != 12 {
		t.Fatalf("%d volumes", n)
	}
	return w, snapshot(t, w.path(in))
}

// Two volumes of twelve may be lost, or a block in each of them; not three.
func TestRepair(t *testing.T) {
	w, whole := large(t)
	volume := func(i int) string {
		if i > 10 {
			return inside(fmt.Sprintf("%s.p%02d", name, i-10))
		}
		return inside(fmt.Sprintf("%s.%03d", name, i))
	}
	for _, lost := range [][2]int{{2, 9}, {10, 11}, {11, 12}} {
		w.remove(volume(lost[0]), volume(lost[1]))
		w.repairs(t, fmt.Sprintf("volumes %d are lost", lost), whole)
	}
	for i := 1; i <= 12; i++ { // two in each stripe
		w.flip(volume(i), int64((i-1)/2)*mib+int64(i)*1000)
	}
	w.repairs(t, "a block in each of twelve is bad", whole)
	w.remove(volume(1), volume(4), volume(12))
	before := snapshot(t, w.path(in))
	r := w.drayage("repair", inside(setFile))
	if r.code != exitIntegrity || !strings.Contains(r.said(), "x.tar.001") ||
		!strings.Contains(r.said(), "x.tar.004") || !strings.Contains(r.said(), "x.tar.p02") {
		t.Errorf("three are lost: %s", r)
	}
	if d := differences(before, snapshot(t, w.path(in))); len(d) > 0 {
		t.Errorf("three are lost, and repair has changed %q", d)
	}
}

// repairs checks that all is equal after a repair.
func (w *world) repairs(t *testing.T, what string, whole map[string]string) {
	t.Helper()
	r := w.drayage("repair", inside(setFile))
	if r.code != 0 {
		t.Errorf("%s: %s", what, r)
	}
	if d := differences(whole, snapshot(t, w.path(in))); len(d) > 0 {
		t.Errorf("%s, and after the repair: %q", what, d)
	}
	t.Logf("%s: %d MiB of memory", what, r.peak>>20)
	if r.peak > memoryLimit {
		t.Errorf("%s: %d MiB of memory", what, r.peak>>20)
	}
}

// TestSignature changes one byte at many places of a signed bundle in one file and in volumes: with the key
// nothing of it is taken.
func TestSignature(t *testing.T) {
	w := newWorld(t)
	w.must("keygen", "-o", "a.key", "--no-password")
	w.must("keygen", "-o", "b.key", "--no-password")
	from := source(t, layer("signed", 9*mib))
	w.must("save", from, "-o", "one/d.tar", "--sign", "a.key", "--format", "oci")
	w.must("save", from, "-o", "many/d.tar", "--sign", "a.key", "--format", "oci", "--volume-size", "4M")
	for _, dir := range []string{"one", "many"} {
		set := filepath.Join(dir, "d.tar.set")
		if dir == "one" {
			set = "one/d.tar"
		}
		w.must("verify", set, "--key", "a.pub")
		if r := w.drayage("verify", set, "--key", "b.pub"); r.code != exitIntegrity {
			t.Errorf("another key: %s", r)
		}
		files, err := os.ReadDir(w.path(dir))
		if err != nil || len(files) < 3 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			w.tampered(t, set, filepath.Join(dir, f.Name()))
		}
	}
}

// tampered changes one bit at a time at some places of a file.
func (w *world) tampered(t *testing.T, set, file string) {
	t.Helper()
	whole := w.read(file)
	size := int64(len(whole))
	step := max(size/6, 1)
	for at := step / 2; at < size; at += step {
		w.flip(file, at)
		line := strings.Count(string(whole[:at]), "\n")
		if strings.HasSuffix(file, ".minisig") && line == 0 {
			w.write(file, whole) // the first line is a comment that nobody signs
			continue
		}
		registry := newWitness(t)
		r := w.drayage("verify", set, "--key", "a.pub")
		p := w.drayage("push", set, registry.Addr()+"/copy:1", "--key", "a.pub")
		if r.code != exitIntegrity || p.code != exitIntegrity {
			t.Errorf("%s: byte %d of %d is changed: %s; %s", file, at, size, r, p)
		}
		if _, ok := registry.registry.Tag("copy", "1"); ok {
			t.Errorf("%s: byte %d is changed, and the image has been pushed", file, at)
		}
		if !strings.HasSuffix(file, ".tar") && !strings.Contains(file, ".tar.0") && registry.writes() > 0 {
			t.Errorf("%s: byte %d is changed, and %d requests to write were sent", file, at, registry.writes())
		}
		w.write(file, whole)
	}
}

// zeros reads n of them.
func zeros(n int64) io.Reader { return io.LimitReader(zeroes{}, n) }

type zeroes struct{}

// Read implements io.Reader.
func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// As many volumes as there may be: read, pushed, and five of them made again.
func TestMostVolumes(t *testing.T) {
	const data, parityVolumes = 250, 5
	w := newWorld(t)
	var content bytes.Buffer
	io.Copy(&content, zeros(data*mib-mib/2))
	w.must(
		"save",
		source(t, fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"zeros": content.String()}))),
		"-o",
		"whole.tar",
	)
	b := &bundle{kind: kind{parity: parityVolumes}, files: map[string][]byte{}, archive: w.read("whole.tar")}
	w.remove("whole.tar")
	b.cut(t, mib)
	if b.set.Len() != data+parityVolumes {
		t.Fatalf("%d volumes", b.set.Len())
	}
	b.unpack(w, in)
	b.files, b.archive = nil, nil
	whole := snapshot(t, w.path(in))
	w.must("verify", inside(setFile))
	w.must("push", in, newWitness(t).Addr()+"/copy:1")
	w.remove(inside(name+".001"), inside(name+".100"), inside(name+".101"), inside(name+".250"),
		inside(name+".p03"))
	w.repairs(t, "five of 255 are lost", whole)
}
