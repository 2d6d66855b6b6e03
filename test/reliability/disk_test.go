//go:build linux

package reliability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

var diskCases = []trouble{
	{28, "the disk fills up: blob, partial blob, index, end of a tar",
		"fails once, says that the disk is full and keeps what is complete; goes on from there when there is space",
		"", []fault{
			{name: "others fill it while a fetch is running", local: true, run: filledMeanwhile},
			{name: "fetch", local: true, run: fillDisk([]string{"fetch", "REF", "-o", "disk/images"})},
			{name: "save from a registry", local: true,
				run: fillDisk([]string{"save", "REF", "-o", "disk/image.tar"})},
			{name: "save from a layout", local: true, run: fillDisk([]string{"save", "images", "-o",
				"disk/image.tar"})},
		}},
	{29, "the disk fails: write, sync, rename, read",
		"fails once with the disk's error; does not use a file that could not be synced", "", []fault{
			{name: "sync", local: true, run: diskErrs("fsync:error=EIO:when=1+", "input/output error")},
			{name: "one sync", local: true, run: diskErrs("fsync:error=EIO:when=2", "input/output error")},
			{name: "write", local: true, run: diskErrs("pwrite64:error=EIO:when=2+", "input/output error")},
			{name: "rename", local: true, run: diskErrs("renameat,renameat2:error=EIO:when=1+", "input/output error")},
			{name: "reading a layout", local: true, run: layoutCannotBeRead},
		}},
	{30, "a directory that cannot be written, no inodes left", "fails before it downloads anything", "", []fault{
		{name: "read-only disk", local: true, run: readOnlyDisk},
		{name: "no inodes", local: true, run: noInodes},
		{name: "another user's directory", local: true, run: foreignDirectory},
	}},
	{34, "index.json or oci-layout cut, empty, or with fields and entries of other tools",
		"never overwrites what it cannot read; keeps what others have written", "", []fault{
			{name: "index.json cut at every byte", local: true, run: tornFile("index.json")},
			{name: "oci-layout cut at every byte", local: true, run: tornFile("oci-layout")},
			{name: "entries and fields of another tool", local: true, run: foreignEntries},
		}},
	{36, "a blob in the layout is cut or has a flipped bit",
		"verify names it; save and push refuse it before they publish anything; fetch replaces it", "", []fault{
			{name: "flipped, every blob in turn", local: true, run: rottenBlobs(func(b []byte) []byte {
				b[len(b)/2] ^= 1
				return b
			})},
			{name: "cut, every blob in turn", local: true, run: rottenBlobs(func(b []byte) []byte {
				return b[:len(b)-1]
			})},
			{name: "gone, every blob in turn", local: true, run: rottenBlobs(func([]byte) []byte { return nil })},
		}},
	{37, "a partial blob that is too long, wrong, zeroed at its end or of another blob",
		"hashes it again, and fetches that blob once more from its start if it is wrong", "", []fault{
			{name: "too long", local: true, run: fetchOverRemains(func(b []byte) []byte { return append(b, b...) })},
			{name: "wrong at its start", local: true, run: fetchOverRemains(func(b []byte) []byte {
				b[0] ^= 1
				return b[:len(b)/2]
			})},
			{name: "zeros at its end", local: true, run: fetchOverRemains(func(b []byte) []byte {
				clear(b[len(b)/3:])
				return b[:len(b)/2]
			})},
			{name: "of something else", local: true, run: fetchOverRemains(func(b []byte) []byte {
				rand.NewChaCha8([32]byte{}).Read(b)
				return b
			})},
			{name: "a mark that is nonsense", local: true, run: fetchOverMark},
		}},
}

// disk mounts a file system of a size, with an option such as nr_inodes=20, on the directory disk.
func (t *try) disk(options string) {
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	if err := os.Mkdir(t.path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("drayage-reliability", t.path("disk"), "tmpfs", 0, options); err != nil {
		t.Skip("a file system cannot be mounted: " + err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(t.path("disk"), 0); err != nil {
			t.T.Errorf("unmounting: %v", err)
		}
	})
}

func (t *try) remount(options string, flags uintptr) {
	if err := syscall.Mount("", t.path("disk"), "", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

// fillDisk runs a command on disks of growing size until one is large enough; each time what is there must be
// sound. Then it runs it on a disk that grows after the failure.
func fillDisk(command []string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		ref := s.ref("app:1")
		if command[1] == "images" {
			t.layout("images", ref, img)
		}
		args := slices.Clone(command)
		if args[1] == "REF" {
			args[1] = ref
		}
		t.disk("size=64k")
		const steps = 8
		for i := range steps {
			t.remount(fmt.Sprintf("size=%d", 64<<10+int64(i)*(3<<20)/steps), 0)
			t.failed(t.run(args...), []int{exitOther}, "no space|not enough space", "disk")
			t.lacks("disk/images", ref)
			if t.exists("disk/image.tar") || t.exists("disk/image.tar.partial") {
				t.Error("a part of a tar was left")
			}
		}
		t.remount("size=64m", 0)
		s.Reset()
		t.must(args...)
		if args[0] == "fetch" {
			t.holds("disk/images", ref, img)
			t.note("%d steps, then %d of %d KiB sent", steps, s.Sent("GET", "/blobs/")>>10, img.weight()>>10)
			return
		}
		t.savedAs("disk/image.tar", img)
	}
}

// filledMeanwhile fills the disk when the second layer is asked for, so that no estimate can have foreseen
// it, and then makes room.
func filledMeanwhile(t *try) {
	s, img := t.seeded(300<<10, 3<<20, 200<<10)
	t.disk("size=64m")
	s.On(fakeregistry.Match{Path: img.layer(1).Encoded(), Count: 1}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			os.WriteFile(t.path("disk/ballast"), make([]byte, 63<<20), 0o600) // or as much of it as fits
			next.ServeHTTP(w, r)
		})
	})
	args := []string{"fetch", s.ref("app:1"), "-o", "disk/images", "-j", "1"}
	t.failed(t.run(args...), []int{exitOther}, "no space|not enough space", "disk")
	t.lacks("disk/images", s.ref("app:1"))
	must(os.Remove(t.path("disk/ballast")))
	s.Heal()
	s.Reset()
	t.must(args...)
	t.holds("disk/images", s.ref("app:1"), img)
	t.note("%d of %d KiB sent again after there was room", s.Sent("GET", "/blobs/")>>10, img.weight()>>10)
}

// traced makes drayage run under strace, which meddles as told.
func (t *try) traced(inject string) {
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	t.prefix = []string{path, "-f", "-o", "/dev/null", "-e", "trace=" + strings.Split(inject, ":")[0], "-e",
		"inject=" + inject}
}

func diskErrs(inject, says string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		t.traced(inject)
		t.failed(t.run("fetch", s.ref("app:1"), "-o", "images"), []int{exitOther}, says)
		t.lacks("images", s.ref("app:1"))
		n := len(s.Requests("GET", "/blobs/"))
		if n > 2*len(img.blobs()) {
			t.Errorf("%d blobs were asked for, of %d", n, len(img.blobs()))
		}
		t.prefix = nil
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		t.traced(inject)
		if r := t.run("save", "images", "-o", "image.tar"); r.code == 0 {
			t.savedAs("image.tar", img) // it needs that call less often
		} else if !strings.Contains(r.stderr, says) {
			t.Errorf("a failed save: %s", r)
		}
		if t.exists("image.tar") {
			t.savedAs("image.tar", img) // the name was given, and then its directory could not be synced
		}
	}
}

// layoutCannotBeRead errs where the blobs of the layout are read, and nowhere else.
func layoutCannotBeRead(t *try) {
	img := newImage("unreadable")
	t.layout("images", "docker.io/library/app:1", img)
	t.traced("read,pread64:error=EIO:when=1+")
	t.prefix = slices.Insert(t.prefix, 1, "-P", t.path("images/blobs/sha256/"+img.layer(0).Encoded()))
	t.failed(t.run("save", "images", "-o", "image.tar"), []int{exitOther, exitIntegrity}, "input/output error")
	if t.exists("image.tar") {
		t.Error("a tar was written")
	}
	if r := t.run("verify", "images"); r.code == 0 || !strings.Contains(r.stdout, img.layer(0).String()) {
		t.Errorf("verify does not name the blob: %s", r)
	}
}

func readOnlyDisk(t *try) {
	s, img := t.seeded()
	t.disk("size=64m")
	t.remount("", syscall.MS_RDONLY)
	t.failed(t.run("fetch", s.ref("app:1"), "-o", "disk/images"), []int{exitOther}, "read-only")
	t.failed(t.run("save", s.ref("app:1"), "-o", "disk/image.tar"), []int{exitOther}, "read-only")
	t.spared(s, img)
	t.remount("", 0)
	t.must("fetch", s.ref("app:1"), "-o", "disk/images")
	t.holds("disk/images", s.ref("app:1"), img)
}

// spared checks that no layer was downloaded in vain.
func (t *try) spared(s *site, img *image) {
	for i := range img.layers {
		if n := s.Sent("GET", img.layer(i).Encoded()); n != 0 {
			t.Errorf("%d bytes of a layer were downloaded in vain", n)
		}
	}
}

func noInodes(t *try) {
	s, img := t.seeded()
	t.disk("size=64m,nr_inodes=4")
	t.failed(t.run("fetch", s.ref("app:1"), "-o", "disk/images"), []int{exitOther}, "no space|not enough space")
	t.spared(s, img)
	t.remount("nr_inodes=1000", 0)
	t.must("fetch", s.ref("app:1"), "-o", "disk/images")
	t.holds("disk/images", s.ref("app:1"), img)
}

// foreignDirectory takes root's powers over files away from drayage, and gives it root's directories to read
// only.
func foreignDirectory(t *try) {
	s, img := t.seeded()
	if os.Getuid() == 0 {
		path, err := exec.LookPath("setpriv")
		if err != nil {
			t.Skip("setpriv is not installed")
		}
		t.prefix = []string{path, "--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all"}
	}
	if err := os.Mkdir(t.path("closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	t.failed(t.run("fetch", s.ref("app:1"), "-o", "closed/images"), []int{exitOther, exitDenied},
		"permission denied")
	t.failed(t.run("save", s.ref("app:1"), "-o", "closed/image.tar"), []int{exitOther, exitDenied},
		"permission denied")
	t.spared(s, img)
}

// tornFile cuts a file of a layout at every byte. What is left must still be there after a fetch that fails,
// and a fetch must not succeed and lose an image.
func tornFile(name string) func(*try) {
	return func(t *try) {
		s, img := t.seeded(10 << 10)
		t.layout("images", "docker.io/library/old:1", newImage("old", 10<<10))
		whole := t.read("images/" + name)
		for n := range whole {
			if n > 20 && n%7 != 0 && n < len(whole)-20 {
				continue // the middle in steps: each is a run
			}
			t.write("images/"+name, whole[:n])
			r := t.run("fetch", s.ref("app:1"), "-o", "images")
			if r.code == 0 || !bytes.Equal(t.read("images/"+name), whole[:n]) {
				t.Fatalf("cut at byte %d: %s", n, r)
			}
			t.failed(r, []int{exitOther, exitIntegrity}, name)
		}
		t.write("images/"+name, whole)
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		if _, kept := t.sound("images")["docker.io/library/old:1"]; !kept {
			t.Error("the image that was there is lost")
		}
	}
}

func foreignEntries(t *try) {
	s, img := t.seeded(10 << 10)
	t.layout("images", "docker.io/library/old:1", newImage("old", 10<<10))
	var index map[string]any
	must(json.Unmarshal(t.read("images/index.json"), &index))
	index["com.example.field"] = map[string]any{"kept": true}
	foreign := map[string]any{"mediaType": "application/x", "digest": describe("", []byte("x")).Digest,
		"size": 1, "com.example.more": "kept too"}
	index["manifests"] = append(index["manifests"].([]any), foreign)
	t.write("images/index.json", imagetest.Encode(index))
	t.write("images/blobs/sha256/"+describe("", []byte("x")).Digest.Encoded(), []byte("x"))
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.holds("images", s.ref("app:1"), img)
	for _, kept := range []string{"com.example.field", `{"kept":true}`, "com.example.more", "kept too",
		"docker.io/library/old:1"} {
		if !bytes.Contains(t.read("images/index.json"), []byte(kept)) {
			t.Errorf("index.json has lost %q", kept)
		}
	}
}

// rottenBlobs spoils each blob of a layout in turn. What is published afterwards must be right or not there.
func rottenBlobs(spoil func([]byte) []byte) func(*try) {
	return func(t *try) {
		s, img := t.seeded(100<<10, 10<<10)
		ref := s.ref("app:1")
		for i, blob := range append(img.blobs(), img.manifest) {
			dir := fmt.Sprintf("images%d", i)
			t.layout(dir, ref, img)
			file := dir + "/blobs/sha256/" + describe("", blob).Digest.Encoded()
			if rotten := spoil(bytes.Clone(blob)); rotten != nil {
				t.write(file, rotten)
			} else {
				must(os.Remove(t.path(file)))
			}
			r := t.run("verify", dir)
			if t.failed(r, []int{exitIntegrity}); !strings.Contains(r.stdout+r.stderr,
				describe("", blob).Digest.Encoded()) {
				t.Errorf("verify does not name the blob: %s", r)
			}
			t.failed(t.run("save", dir, "-o", "image.tar"), []int{exitIntegrity, exitNotFound}, "sha256:")
			if t.exists("image.tar") {
				t.Error("a tar was written of it")
			}
			empty := t.registry() // the other could have the blob from elsewhere
			t.failed(t.run("push", dir, empty.ref("copy:1")), []int{exitIntegrity, exitNotFound}, "sha256:")
			empty.unnamed("copy", "1")
			t.must("fetch", ref, "-o", dir)
			t.holds(dir, ref, img)
		}
	}
}

func fetchOverRemains(left func([]byte) []byte) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		t.write("images/.drayage/partial/sha256-"+img.layer(0).Encoded(), left(bytes.Clone(img.layers[0])))
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		if sent := s.Sent("GET", img.layer(0).Encoded()); sent > 2*int64(len(img.layers[0])) {
			t.Errorf("%d bytes were sent of a layer of %d", sent, len(img.layers[0]))
		}
		t.note("%d KiB sent again", s.again(img)>>10)
	}
}

// fetchOverMark leaves a mark that says more than is there.
func fetchOverMark(t *try) {
	s, img := t.seeded(10 << 20)
	name := "images/.drayage/partial/sha256-" + img.layer(0).Encoded()
	t.write(name, make([]byte, 5<<20))
	t.write(name+".mark", bytes.Repeat([]byte{0x7f}, 8))
	s.breaks(img, fakeregistry.Match{Count: 1}, fakeregistry.Cut(1))
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.holds("images", s.ref("app:1"), img)
}
