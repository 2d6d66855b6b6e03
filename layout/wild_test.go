package layout_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/filelock"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// Wild case 41: what an entry of index.json says besides the digest may be wrong, and a name may stand twice.
// fetch and repair heal both.
func TestWild41EntriesThatAreWrong(t *testing.T) {
	const name = "docker.io/library/a:1"
	_, images, index := damaged(t)
	right := string(index)
	entry := right[strings.Index(right, "[{")+1 : strings.Index(right, "},{")+1]
	size := fmt.Sprintf(`"size":%d`, images[0].Size)
	nothing := strings.Replace(entry, images[0].Digest.Encoded(), strings.Repeat("0", 64), 1)
	for what, wrong := range map[string]string{
		"size":             strings.Replace(entry, size, `"size":1`, 1),
		"media type":       strings.Replace(entry, v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, 1),
		"no media type":    strings.Replace(entry, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1),
		"a layer's type":   strings.Replace(entry, v1.MediaTypeImageManifest, v1.MediaTypeImageLayer, 1),
		"embedded content": strings.Replace(entry, "{", `{"data":"AAAA",`, 1),
		"twice":            entry + "," + nothing,
		"twice, first bad": nothing + "," + entry,
	} {
		if what != "twice" && wrong == entry {
			t.Fatalf("%s: nothing is wrong", what)
		}
		wrong = strings.Replace(wrong, `{`, `{"x-note":"kept",`, 1)
		for how, heal := range map[string]func(dir string) error{
			"fetch": func(dir string) error {
				d, err := layout.CreateDir(t.Context(), dir)
				if err != nil {
					return err
				}
				defer d.Close()
				_, err = d.Tag(t.Context(), images[0], name, "1")
				return err
			},
			"repair": func(dir string) error {
				r, err := layout.Repair(t.Context(), dir)
				if err == nil && (r.Entries != 1 || r.Index || len(r.Removed) > 0) {
					err = fmt.Errorf("%+v", r)
				}
				return err
			},
		} {
			dir, _, _ := damaged(t)
			write(t, filepath.Join(dir, "index.json"), strings.Replace(right, entry, wrong, 1))
			if err := heal(dir); err != nil {
				t.Errorf("%s, %s: %v", how, what, err)
			}
			found := 0
			for _, im := range listed(t, dir) {
				if d := im.Descriptor; im.Name == name {
					found++
					if d.Digest != images[0].Digest || d.Size != images[0].Size ||
						d.MediaType != images[0].MediaType || d.Data != nil {
						t.Errorf("%s, %s: the entry is %+v", how, what, d)
					}
				}
			}
			raw, _ := os.ReadFile(filepath.Join(dir, "index.json"))
			if found != 1 || !strings.HasPrefix(what, "twice") && !bytes.Contains(raw, []byte("x-note")) {
				t.Errorf("%s, %s: %d entries of the name in %s", how, what, found, raw)
			}
		}
	}
}

// Wild case 42: without locks each run has a partial file of its own, and names of other runs stay.
func TestWild42WithoutLocks(t *testing.T) {
	for _, reason := range []error{syscall.ENOLCK, syscall.EINVAL, syscall.EPERM, syscall.ENOSYS, syscall.EIO} {
		t.Run(reason.Error(), func(t *testing.T) {
			defer filelock.Without(reason)()
			dir := t.TempDir()
			one, two := create(t, dir), create(t, dir)
			if one.Locks() || two.Locks() {
				t.Error("nobody has noticed")
			}
			var wg sync.WaitGroup
			for i, d := range []*layout.Dir{one, two, one, two} {
				wg.Go(func() {
					err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil)
					_, terr := d.Tag(t.Context(), desc, fmt.Sprintf("docker.io/library/a:%d", i), "")
					if err := errors.Join(err, terr); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			same(t, "blobs", map[string]string{blob: string(content)}, blobs(t, dir))
			if images := listed(t, dir); len(images) != 4 {
				t.Errorf("%d of 4 names are there", len(images))
			}
			if left, err := os.ReadDir(filepath.Join(dir, ".drayage", "partial")); err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

// Wild case 42: repair removes what has the name of a blob and is no file.
func TestWild42RepairRemovesWhatIsNoFile(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"link":                  func(path string) error { return os.Symlink("nothing", path) },
		"pipe":                  makePipe,
		"directory with a file": func(path string) error { return os.MkdirAll(path+"/x", 0o755) },
	} {
		dir, images, index := damaged(t)
		write(t, filepath.Join(dir, "index.json"), string(index))
		place := filepath.Join(dir, "blobs", "sha256", images[1].Digest.Encoded())
		if err := errors.Join(os.Remove(place), plant(place)); err != nil {
			t.Fatal(err)
		}
		r, err := layout.Repair(t.Context(), dir)
		if err != nil || len(r.Removed) != 1 || r.Removed[0] != images[1].Digest {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if _, err := os.Lstat(place); err == nil {
			t.Errorf("%s: it is still there", what)
		}
	}
}

// Wild cases 27 and 41: a layout whose marker is missing can be fetched into, as it can be read. It gets one.
func TestWild41FetchIntoALayoutWithoutItsMarker(t *testing.T) {
	dir, images, index := damaged(t)
	write(t, filepath.Join(dir, "index.json"), string(index))
	if err := errors.Join(os.Remove(filepath.Join(dir, "oci-layout")),
		os.RemoveAll(filepath.Join(dir, ".drayage"))); err != nil {
		t.Fatal(err)
	}
	d, before := create(t, dir), len(listed(t, dir))
	if _, err := d.Tag(t.Context(), images[0], "docker.io/library/new:1", "1"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil || len(listed(t, dir)) != before+1 {
		t.Errorf("%v; %d images", err, len(listed(t, dir)))
	}
}

// A directory of the layout whose place a file or a pipe has is made again. Nobody waits for a pipe.
func TestWild42DirectoriesThatAreNone(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"pipe": makePipe,
		"file": func(path string) error { return os.WriteFile(path, []byte("x"), 0o644) },
	} {
		for _, name := range []string{"blobs", "blobs/sha256", ".drayage", ".drayage/partial"} {
			dir := t.TempDir()
			create(t, dir)
			place := filepath.Join(dir, name)
			if err := errors.Join(os.RemoveAll(place), plant(place)); err != nil {
				t.Fatal(err)
			}
			if _, err := layout.Repair(t.Context(), dir); err != nil && name != "blobs" {
				t.Errorf("%s at %s: repair: %v", what, name, err)
			}
			d := create(t, dir)
			if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
				t.Errorf("%s at %s: %v", what, name, err)
			}
			if got := blobs(t, dir)[blob]; got != string(content) {
				t.Errorf("%s at %s: the blob is %q", what, name, got)
			}
		}
	}
}

// The same of files: repair makes them again, and of index.json everyone says that it can be repaired.
func TestWild42FilesThatAreNone(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"pipe":                  makePipe,
		"link to itself":        func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"link to nothing":       func(path string) error { return os.Symlink("nothing", path) },
		"directory":             func(path string) error { return os.Mkdir(path, 0o755) },
		"directory with a file": func(path string) error { return os.MkdirAll(path+"/x", 0o755) },
	} {
		for _, name := range []string{"oci-layout", "index.json", ".drayage/lock"} {
			dir := t.TempDir()
			create(t, dir)
			place := filepath.Join(dir, name)
			if err := errors.Join(os.RemoveAll(place), plant(place)); err != nil {
				t.Fatal(err)
			}
			_, err := layout.CreateDir(t.Context(), dir)
			if name == "index.json" && what != "link to itself" && !errors.Is(err, layout.ErrDamaged) {
				t.Errorf("%s at %s: %v", what, name, err)
			}
			if _, err := layout.Repair(t.Context(), dir); err != nil {
				t.Errorf("%s at %s: repair: %v", what, name, err)
			}
			if err := create(t, dir).Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
				t.Errorf("%s at %s: %v", what, name, err)
			}
		}
	}
}

// A size that is none does not cost the name of the image, if its blob is there.
func TestWild41RepairOfImpossibleSizes(t *testing.T) {
	for _, size := range []string{"-1", `"5"`, "1.5", "{}", "1e30"} {
		dir, images, index := damaged(t)
		wrong := strings.Replace(string(index), fmt.Sprintf(`"size":%d`, images[0].Size), `"size":`+size, 1)
		lost := strings.Replace(wrong, images[1].Digest.Encoded(), strings.Repeat("0", 64), 1)
		for what, text := range map[string]string{"": wrong, " beside a lost one": lost} {
			write(t, filepath.Join(dir, "index.json"), text)
			if _, err := layout.Repair(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			all := listed(t, dir)
			if !slices.ContainsFunc(all, func(im layout.Image) bool {
				return im.Name == "docker.io/library/a:1" && im.Descriptor.Size == images[0].Size
			}) {
				t.Errorf("size %s%s: %+v", size, what, all)
			}
		}
	}
}

// Wild case 42: a directory in the place of oci-layout is no reason to give up either.
func TestWild42RepairReplacesAMarkerThatIsNoFile(t *testing.T) {
	dir, _, _ := damaged(t)
	marker := filepath.Join(dir, "oci-layout")
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(marker, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r, err := layout.Repair(t.Context(), dir); err != nil || !r.Marker {
		t.Errorf("%+v, %v", r, err)
	}
	listed(t, dir)
}
