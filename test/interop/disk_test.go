//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// disk is a small file system of the test's own.
type disk struct {
	dir     string
	ballast string // a file that fills the disk up to room
}

const (
	diskSize  = 128 << 20 // a copy of a stream leaves 64 MiB of it to others
	diskRoom  = 2 << 20   // less than any of the commands needs
	largeText = 12 << 20  // of the image that is to be stored there
)

// newDisk mounts a tmpfs with diskRoom bytes free.
func newDisk(t *testing.T) disk {
	t.Helper()
	requireRoot(t)
	d := disk{dir: filepath.Join(scratch(t), "disk")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("drayage-interop", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		absent(t, fmt.Sprintf("this test needs to mount a tmpfs: %v", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", d.dir, err)
		}
	})
	d.ballast = filepath.Join(d.dir, "ballast")
	writeFile(t, d.ballast, make([]byte, diskSize-diskRoom), 0o600)
	return d
}

// free makes room.
func (d disk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
}

func (d disk) remount(t *testing.T, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("", d.dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
		t.Fatalf("remounting %s: %v", d.dir, err)
	}
}

// files lists what is on the disk besides the ballast.
func (d disk) files(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(d.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path != d.ballast {
			files = append(files, strings.TrimPrefix(path, d.dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// refused checks that the command failed because of this disk, and said so.
func (d disk) refused(t *testing.T, o outcome, reason error) {
	t.Helper()
	equal(t, "exit code", o.code, 1)
	said := strings.Contains(o.stderr, reason.Error()) ||
		strings.Contains(o.stderr, "needed") // before anything is written
	if !said || !strings.Contains(o.stderr, d.dir) {
		t.Errorf("the error does not say %q of %s:\n%s", reason, d.dir, o.stderr)
	}
	if o.stdout != "" {
		t.Errorf("a failed command prints a result: %s", o.stdout)
	}
}

// newLargeSample has a text that hardly compresses.
func newLargeSample(t *testing.T) (*sample.Image, sample.Platform) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{})
	text := make([]byte, largeText)
	random.Read(text) // never fails
	return newSample(t, sample.Options{Text: string(text)})
}

func TestFetchToFullDisk(t *testing.T) {
	d := newDisk(t)
	image, here := newLargeSample(t)
	ref := seed(t, image, startRegistry3(t), "team/large", "1")
	layout := filepath.Join(d.dir, "layout")
	d.refused(t, drayage(t, "fetch", ref, "-o", layout), syscall.ENOSPC)
	d.checkBlobs(t)
	if index, err := os.ReadFile(filepath.Join(layout, "index.json")); err == nil &&
		bytes.Contains(index, []byte(ref)) {
		t.Errorf("index.json names an image that is not there: %s", index)
	}

	d.free(t)
	drayage(t, "fetch", ref, "-o", layout).ok(t)
	d.checkBlobs(t)
	require(t, "skopeo")
	equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
	for _, file := range d.files(t) {
		if strings.Contains(file, "partial") {
			t.Errorf("left behind: %s", file)
		}
	}
}

// checkBlobs fails the test if a file on the disk that is named as a blob is not that blob.
func (d disk) checkBlobs(t *testing.T) {
	t.Helper()
	for _, file := range d.files(t) {
		dgst := digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(file))
		if dgst.Validate() != nil || !strings.HasSuffix(filepath.Dir(file), "blobs/sha256") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(d.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "digest of "+file, digest.FromBytes(content), dgst)
	}
}

func TestSaveToFullDisk(t *testing.T) {
	image, here := newLargeSample(t)
	ref := seed(t, image, startRegistry3(t), "team/large", "1")
	layout := filepath.Join(scratch(t), "layout")
	drayage(t, "fetch", ref, "-o", layout).ok(t)
	for _, source := range []string{ref, layout} {
		d := newDisk(t)
		tar := filepath.Join(d.dir, "large.tar")
		d.refused(t, drayage(t, "save", source, "-o", tar), syscall.ENOSPC)
		equalAll(t, "files after a failed save", d.files(t), nil)
		writeFile(t, tar, []byte("old"), 0o600)
		d.refused(t, drayage(t, "save", source, "-o", tar), syscall.ENOSPC)
		equalAll(t, "files after a failed save over another", d.files(t), []string{"large.tar"})
		if old, err := os.ReadFile(tar); err != nil || string(old) != "old" {
			t.Errorf("the older file has become %d bytes (%v)", len(old), err)
		}

		d.free(t)
		drayage(t, "save", source, "-o", tar).ok(t)
		equalAll(t, "files", d.files(t), []string{"large.tar"})
		if _, there := entries(t, tar)[here.Config.Encoded()+".json"]; !there {
			t.Errorf("%s has no config", tar)
		}
	}
}

// TestPushFromStdinWithFullDisk has docker-save's order of entries, in which the manifest comes last, so that
// the archive has to be kept somewhere until it is known what to upload.
func TestPushFromStdinWithFullDisk(t *testing.T) {
	d := newDisk(t)
	image, here := newLargeSample(t)
	addr := startRegistry3(t)
	ref := seed(t, image, addr, "team/large", "1")
	tar := filepath.Join(scratch(t), "large.tar")
	skopeo(t, "copy", "--src-tls-verify=false", "docker://"+ref, "docker-archive:"+tar+":large:1")

	push := func() outcome {
		cat := invocation{argv: []string{"cat", tar}} // a pipe, which cannot be read twice
		into := drayageCommand(t, "push", "-", addr+"/copy/large:1")
		into.env = []string{"TMPDIR=" + d.dir}
		_, o := pipe(t, cat, into)
		return o
	}
	d.refused(t, push(), syscall.ENOSPC)
	equalAll(t, "files after a failed push", d.files(t), nil)
	if _, err := repository(addr, "copy/large").Manifest(t.Context(), "1"); err == nil {
		t.Error("the failed push tagged an image")
	}

	d.free(t)
	push().ok(t)
	equalAll(t, "files", d.files(t), nil)
	manifest, _ := readManifest(t, addr, "copy/large", "1")
	equal(t, "image ID", manifest.Config.Digest, here.Config)
}

func TestReadOnlyDisk(t *testing.T) {
	image, _ := newSample(t, sample.Options{})
	ref := seed(t, image, startRegistry3(t), "team/hello", "1")
	d := newDisk(t)
	d.free(t)
	commands := [][]string{
		{"fetch", ref, "-o", filepath.Join(d.dir, "layout")},
		{"save", ref, "-o", filepath.Join(d.dir, "hello.tar")},
	}
	d.remount(t, syscall.MS_RDONLY)
	for _, args := range commands {
		d.refused(t, drayage(t, args...), syscall.EROFS)
	}
	d.remount(t, 0)
	equalAll(t, "files", d.files(t), nil)
	for _, args := range commands {
		drayage(t, args...).ok(t)
	}

	// What is there already can be read when nothing can be written.
	d.remount(t, syscall.MS_RDONLY)
	layout := filepath.Join(d.dir, "layout")
	drayage(t, "save", layout, "-o", filepath.Join(scratch(t), "hello.tar")).ok(t)
	d.refused(t, drayage(t, "fetch", ref, "-o", layout, "--platform", "all"), syscall.EROFS)
}
