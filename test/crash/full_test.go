//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/test/reliability"
)

// spacious is the size of a disk before it fills up, and afterwards. A tmpfs takes no more memory than what
// is written to it.
const spacious = 1 << 30

// mount makes the directory disk a file system of its own. Its size can be changed while it is used.
func (w *world) mount() {
	w.Helper()
	if os.Getuid() != 0 {
		absent(w.T, "mounting a file system needs root")
	}
	if err := os.Mkdir(w.path("disk"), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := syscall.Mount("drayage-crash", w.path("disk"), "tmpfs", 0,
		fmt.Sprintf("size=%d", spacious)); err != nil {
		absent(w.T, "a file system cannot be mounted: "+err.Error())
	}
	w.Cleanup(func() {
		if err := syscall.Unmount(w.path("disk"), 0); err != nil {
			w.Errorf("unmounting: %v", err)
		}
	})
}

func (w *world) used() int64 {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(w.path("disk"), &fs); err != nil {
		w.Fatal(err)
	}
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize
}

// leave makes the disk have so many bytes free.
func (w *world) leave(free int64) (err error) {
	for range 100 {
		err = syscall.Mount("", w.path("disk"), "", syscall.MS_REMOUNT,
			fmt.Sprintf("size=%d", max(w.used()+free, 4096)))
		if err != syscall.EINVAL { // more has been written since it was looked how much is used
			return err
		}
	}
	return err
}

// grow gives the disk all space again.
func (w *world) grow() {
	w.Helper()
	if err := syscall.Mount("", w.path("disk"), "", syscall.MS_REMOUNT,
		fmt.Sprintf("size=%d", spacious)); err != nil {
		w.Fatal(err)
	}
}

// filling is a command whose disk fills up while it works.
type filling struct {
	name    string
	args    func(w *world) []string
	stdin   bool  // the tar comes on standard input, and the disk fills up when some of it has been read
	need    int64 // more than what is written on the disk from then on
	resumes bool  // what has arrived counts, to the byte
}

const (
	sweepSize = 6 << 20
	// A stream that is longer than this goes to the disk, and leaves 80 MiB of it to others.
	streamSize = 36 << 20
)

var fillings = []filling{
	{name: "fetch", args: onDisk("fetch", "REF", "-o", "disk/images"), need: sweepSize + 3<<20, resumes: true},
	{name: "save", args: onDisk("save", "REF", "-o", "disk/image.tar"), need: sweepSize + 3<<20},
	{name: "save --format oci", args: onDisk("save", "REF", "-o", "disk/image.tar", "--format", "oci"),
		need: sweepSize + 3<<20},
	{name: "push of a tar on standard input, with --temp-dir",
		args: onDisk("push", "-", "COPY", "--temp-dir", "disk"), stdin: true, need: 130 << 20},
}

func onDisk(args ...string) func(*world) []string {
	return func(w *world) []string {
		words := strings.NewReplacer("REF", w.ref("disk:1"), "COPY", w.ref("copy:1"))
		var all []string
		for _, a := range args {
			all = append(all, words.Replace(a))
		}
		return all
	}
}

// Disks of 64 sizes fill up while something is being written to them.
func TestFullDisk(t *testing.T) {
	const sizes = 64
	step := 8
	if *soak {
		step = 1
	}
	var mu sync.Mutex
	rows := map[string][]string{}
	t.Cleanup(func() {
		s := reliability.Section{
			Title: "Disks that fill up",
			Text: "When the first layer is asked for, the disk has only a part of the space that the command " +
				"needs, from nothing upwards. A step is clean in two cases. Either the space was enough, or " +
				"the command fails with an error that says so. Then nothing wrong or incomplete has a final " +
				"name, what was there before is unchanged, and the same command succeeds when there is space " +
				"again.",
			Head: []string{"command", "steps", "failed and said why", "had space enough", "clean"},
		}
		for _, f := range fillings {
			if rows[f.name] != nil {
				s.Rows = append(s.Rows, rows[f.name])
			}
		}
		if len(s.Rows) == len(fillings) {
			enter(t, "25-full-disk", s)
		}
	})
	for _, f := range fillings {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t)
			w.mount()
			full, enough, clean := 0, 0, 0
			step := step
			if f.stdin && !*soak {
				step *= 4
			}
			for i := 0; i < sizes; i += step {
				failed, err := f.try(w, f.need*int64(i)/sizes)
				switch {
				case err != nil:
					t.Errorf("with %d of %d bytes: %v", f.need*int64(i)/sizes, f.need, err)
					continue
				case failed:
					full++
				default:
					enough++
				}
				clean++
			}
			if full == 0 {
				t.Error("the disk was never full")
			}
			mu.Lock()
			defer mu.Unlock()
			rows[f.name] = []string{f.name, fmt.Sprint(sizes / step), fmt.Sprint(full), fmt.Sprint(enough),
				fmt.Sprint(clean)}
		})
	}
}

// try runs the command on a disk that is left with some space. It reports whether that was too little.
func (f filling) try(w *world, space int64) (failed bool, err error) {
	w.prepareDisk(f)
	before, err := snapshot(w.path("disk"))
	if err != nil {
		return false, err
	}
	old, _ := readIndex(w.path("disk/images"))
	layer := digest.FromBytes(layers("disk", sweepSize, 300<<10)[0].Content)
	var once sync.Once
	fill := func() { once.Do(func() { err = w.leave(space) }) }
	w.On(fakeregistry.Match{Method: "GET", Path: layer.String(), Func: fromStart},
		fakeregistry.Call(func(*http.Request) { fill() }))
	r := f.run(w, fill)
	if err != nil {
		return false, fmt.Errorf("the disk could not be filled: %v", err)
	}
	after, err := snapshot(w.path("disk"))
	if err != nil {
		return false, err
	}
	if r.code != 0 {
		switch {
		case r.code != 1:
			return true, fmt.Errorf("exit code 1 was expected: %s", r)
		case !strings.Contains(r.stderr, "(free some space"):
			return true, fmt.Errorf("it does not say so: %s", r)
		case after["image.tar"] != before["image.tar"]:
			return true, fmt.Errorf("image.tar is not what it was")
		}
	}
	if err := w.soundDisk(old); err != nil {
		return r.code != 0, err
	}
	held := w.heldOnDisk()
	w.grow()
	w.Heal()
	w.Reset()
	if again := f.run(w, func() {}); again.code != 0 {
		return r.code != 0, fmt.Errorf("with space again: %s", again)
	}
	if sent, all := w.down(), weightOf(); f.resumes && sent > all-held {
		return r.code != 0, fmt.Errorf("%d of %d bytes were there, and %d were sent again", held, all, sent)
	}
	return r.code != 0, w.doneOnDisk(f, old)
}

// weightOf is how many bytes of blobs a fetch transfers at most. A configuration is read twice.
func weightOf() (n int64) {
	for _, l := range layers("disk", sweepSize, 300<<10) {
		n += int64(len(l.Content))
	}
	return n + 2<<10
}

// heldOnDisk is how much of the layers the layout has, whole or in part: they are too small to come in
// ranges.
func (w *world) heldOnDisk() (n int64) {
	for _, l := range layers("disk", sweepSize, 300<<10) {
		id := digest.FromBytes(l.Content).Encoded()
		for _, name := range []string{"disk/images/blobs/sha256/" + id, "disk/images/.drayage/partial/sha256-" +
			id} {
			if fi, err := os.Stat(w.path(name)); err == nil {
				n += fi.Size()
			}
		}
	}
	return n
}

// fromStart reports whether a request is for a layer's content, and not for the size at its end.
func fromStart(r *http.Request) bool {
	return r.Header.Get("Range") == "" || strings.HasPrefix(r.Header.Get("Range"), "bytes=0-")
}

// prepareDisk puts on the disk what is there before: a layout with another image and an old tar.
func (w *world) prepareDisk(f filling) {
	w.grow()
	w.Heal()
	w.fresh()
	w.put("disk", sweepSize, 300<<10)
	w.put("old", 10<<10)
	w.remove("disk/images", "disk/image.tar", "disk/image.tar.partial", "disk/image.tar.partial.marks")
	if f.stdin {
		if _, err := os.Stat(w.path("docker.tar")); err != nil {
			w.write("docker.tar", dockerOrder("stream", streamSize))
		}
		return
	}
	w.must("fetch", w.ref("old:1"), "-o", "disk/images")
	w.write("disk/image.tar", []byte("what was there before"))
}

func (f filling) run(w *world, fill func()) result {
	cmd := w.command(append([]string{binary}, f.args(w)...)...)
	if f.stdin {
		raw := w.read("docker.tar")
		const before = 1 << 20 // is read from the pipe before the disk fills up
		cmd.Stdin = io.MultiReader(bytes.NewReader(raw[:before]), &trigger{f: fill}, bytes.NewReader(raw[before:]))
	}
	return w.finish(cmd)
}

// trigger is an empty reader that calls f when it is read.
type trigger struct{ f func() }

// Read implements io.Reader.
func (t *trigger) Read([]byte) (int, error) {
	t.f()
	return 0, io.EOF
}

func (w *world) soundDisk(old *index) error {
	ix, err := soundLayout(w.path("disk/images"))
	if err != nil {
		return err
	}
	return ix.keeps(old)
}

// doneOnDisk checks that a command has done its work, and left nothing else.
func (w *world) doneOnDisk(f filling, old *index) error {
	if f.stdin {
		if _, ok := w.registry.Load().Tag("copy", "1"); !ok {
			return fmt.Errorf("nothing was pushed")
		}
		left, err := os.ReadDir(w.path("disk"))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%s is left over", left[0].Name())
		}
		return err
	}
	if err := w.soundDisk(old); err != nil {
		return err
	}
	for _, left := range []string{"image.tar.partial", "image.tar.partial.marks"} {
		if _, err := os.Lstat(w.path("disk/" + left)); err == nil {
			return fmt.Errorf("%s is left over", left)
		}
	}
	if parts, err := os.ReadDir(w.path("disk/images/.drayage/partial")); err != nil || len(parts) > 0 {
		return fmt.Errorf("partial blobs are left over: %v, %v", parts, err)
	}
	if strings.HasPrefix(f.name, "fetch") {
		ix, err := readIndex(w.path("disk/images"))
		if err == nil && len(ix.entries) != 2 {
			err = fmt.Errorf("%d images, not 2", len(ix.entries))
		}
		return err
	}
	fi, err := os.Stat(w.path("disk/image.tar"))
	if err == nil && fi.Size() < sweepSize {
		err = fmt.Errorf("image.tar has %d bytes", fi.Size())
	}
	if err != nil {
		return err
	}
	if r := w.drayage("verify", "disk/image.tar"); r.code != 0 {
		return fmt.Errorf("%s", r)
	}
	return nil
}
