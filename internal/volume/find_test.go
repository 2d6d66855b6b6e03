package volume_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/verify"
	"drayage/internal/volume"
	"drayage/internal/volumetest"
)

// carried is a set and the folder that its volumes are in.
type carried struct {
	*testing.T
	archive []byte
	set     *volume.Set
	dir     string
}

// carry writes an archive in volumes of 2 MiB, with two parity volumes.
func carry(t *testing.T, archive []byte) *carried {
	t.Helper()
	c := &carried{t, archive, cut(archive, mib, 2*mib, 2), t.TempDir()}
	for i := range c.set.Len() {
		c.write(c.set.FileName(i), c.content(i))
	}
	return c
}

// content is that of volume i.
func (c *carried) content(i int) []byte {
	if c.set.IsParity(i) {
		return volumetest.Parity(c.archive[:2*mib], i-len(c.set.Volumes))
	}
	return c.archive[c.set.Start(i):][:c.set.At(i).Size]
}

func (c *carried) path(name string) string { return filepath.Join(c.dir, name) }

func (c *carried) write(name string, content []byte) {
	c.Helper()
	if err := os.WriteFile(c.path(name), content, 0o644); err != nil {
		c.Fatal(err)
	}
}

func (c *carried) remove(name string) {
	c.Helper()
	if err := os.Remove(c.path(name)); err != nil {
		c.Fatal(err)
	}
}

func (c *carried) rename(from, to string) {
	c.Helper()
	if err := os.Rename(c.path(from), c.path(to)); err != nil {
		c.Fatal(err)
	}
}

// flip changes a byte of a file.
func (c *carried) flip(name string, at int64) {
	c.Helper()
	f, err := os.OpenFile(c.path(name), os.O_RDWR, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		c.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b, at); err != nil {
		c.Fatal(err)
	}
}

func (c *carried) find(dirs ...string) *volume.Files {
	c.Helper()
	files, err := volume.Find(c.Context(), c.set, append([]string{c.dir}, dirs...))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { files.Close() })
	return files
}

// readAll reads the whole archive.
func readAll(files *volume.Files) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(files, 0, files.Size()))
}

func TestRightVolumes(t *testing.T) {
	c := carry(t, content(5*mib+100))
	files := c.find()
	for i := range c.set.Len() {
		if line, said := files.Found().Line(i), files.Found().Sentence(i); line != "here "+c.set.FileName(i) ||
			said != "" {
			t.Errorf("%s: %s", line, said)
		}
	}
	if got, err := readAll(files); err != nil || !bytes.Equal(got, c.archive) {
		t.Fatalf("%d bytes: %v", len(got), err)
	}
	health, err := files.Check(t.Context(), nil)
	if err != nil || health.Err() != nil {
		t.Fatal(err, health.Err())
	}
	for i := range c.set.Len() {
		if line := health.Line(i); line != "ok "+c.set.FileName(i) {
			t.Error(line)
		}
	}
}

// Each mistake of carrying has a sentence of its own. The archive can be read where all of it is there.
func TestMistakesOfCarrying(t *testing.T) {
	older := content(6 * mib)
	older[0], older[mib], older[mib+mib/2] = 1, 1, 1
	for i := 0; i < len(older); i += mib {
		copy(older[i:], "older")
	}
	type want struct {
		line, said string // of the volume that is hurt; what comes before it is left out
		kind       error  // nil: the archive can be read
	}
	for name, c := range map[string]struct {
		do     func(c *carried)
		volume int
		want   want
	}{
		"missing": {func(c *carried) { c.remove("x.tar.002") }, 1,
			want{"missing x.tar.002", "volume 2 of 3 (x.tar.002) is missing", fs.ErrNotExist}},
		"missing parity": {func(c *carried) { c.remove("x.tar.p01") }, 3,
			want{"missing x.tar.p01", "parity volume 1 of 2 (x.tar.p01) is missing", nil}},
		"empty": {func(c *carried) { c.write("x.tar.002", nil) }, 1,
			want{"bad x.tar.002: it is empty: copy it again", "is empty", verify.ErrMismatch}},
		"short": {func(c *carried) { c.write("x.tar.002", c.content(1)[:mib+5]) }, 1,
			want{"bad x.tar.002: copied short, 1048581 of 2097152 bytes are here", "(x.tar.002): copied short, 10",
				verify.ErrMismatch}},
		"very short": {func(c *carried) { c.write("x.tar.002", c.content(1)[:5]) }, 1,
			want{"bad x.tar.002: copied short, 5 of 2097152 bytes are here", "", verify.ErrMismatch}},
		"the last one short": {func(c *carried) { c.write("x.tar.003", c.content(2)[:mib+99]) }, 2,
			want{"bad x.tar.003: copied short, 1048675 of 1048676 bytes are here", "", verify.ErrMismatch}},
		"long": {func(c *carried) { c.write("x.tar.002", append(bytes.Clone(c.content(1)), "more"...)) }, 1,
			want{"bad x.tar.002: too long, it has 2097156 bytes and not 2097152", "too long", nil}},
		"renamed": {func(c *carried) { c.rename("x.tar.002", "y.bin") }, 1,
			want{"ok x.tar.002 (called y.bin)", "x.tar.002 is called y.bin here", nil}},
		"renamed parity": {func(c *carried) { c.rename("x.tar.p02", "y.bin") }, 4,
			want{"ok x.tar.p02 (called y.bin)", "x.tar.p02 is called y.bin here", nil}},
		"swapped": {func(c *carried) {
			c.rename("x.tar.002", "y")
			c.rename("x.tar.001", "x.tar.002")
			c.rename("y", "x.tar.001")
		}, 1, want{"bad x.tar.002: it is x.tar.001 under a wrong name",
			"x.tar.001 and x.tar.002 have each other's names", nil}},
		"swapped with the last": {func(c *carried) {
			c.rename("x.tar.003", "y")
			c.rename("x.tar.002", "x.tar.003")
			c.rename("y", "x.tar.002")
		}, 2, want{"bad x.tar.003: it is x.tar.002 under a wrong name",
			"x.tar.002 and x.tar.003 have each other's names", nil}},
		"a second copy": {func(c *carried) { c.write("x.tar.002", c.content(0)) }, 1,
			want{"bad x.tar.002: it is a second copy of x.tar.001", "", verify.ErrMismatch}},
		"of an older archive": {func(c *carried) { c.write("x.tar.002", older[2*mib:4*mib]) }, 1,
			want{"bad x.tar.002: it is of another archive, or of an older one", "", verify.ErrMismatch}},
		"a longer one of an older archive": {func(c *carried) { c.write("x.tar.002", older[2*mib:]) }, 1,
			want{"bad x.tar.002: it is of another archive, or of an older one", "", verify.ErrMismatch}},
		"a folder": {func(c *carried) {
			c.remove("x.tar.002")
			os.Mkdir(c.path("x.tar.002"), 0o755)
		}, 1, want{"bad x.tar.002: it is a folder", "", verify.ErrMismatch}},
		"the first byte": {func(c *carried) { c.flip("x.tar.002", 0) }, 1,
			want{"bad x.tar.002: block 0 (bytes 0 to 1048575)", "", verify.ErrMismatch}},
		"the last byte of the first block": {func(c *carried) { c.flip("x.tar.001", mib-1) }, 0,
			want{"bad x.tar.001: block 0 (bytes 0 to 1048575)", "", verify.ErrMismatch}},
		"the first byte of the second block": {func(c *carried) { c.flip("x.tar.002", mib) }, 1,
			want{"bad x.tar.002: block 1 (bytes 1048576 to 2097151)", "", verify.ErrMismatch}},
		"the last byte": {func(c *carried) { c.flip("x.tar.003", mib+99) }, 2,
			want{"bad x.tar.003: block 1 (bytes 1048576 to 1048675)", "", verify.ErrMismatch}},
		"parity": {func(c *carried) { c.flip("x.tar.p01", mib+5) }, 3,
			want{"bad x.tar.p01: block 1 (bytes 1048576 to 2097151)", "volume 1 of 2 (x.tar.p01): block 1", nil}},
		"short and hurt": {func(c *carried) {
			c.write("x.tar.001", c.content(0)[:2*mib-1])
			c.flip("x.tar.001", 5)
		}, 0, want{"bad x.tar.001: copied short, 2097151 of 2097152 bytes are here; block 0 (bytes 0 to 1048575)",
			"", verify.ErrMismatch}},
		"a worse copy under its name": {func(c *carried) {
			c.write("copy", c.content(1))
			c.write("x.tar.002", c.content(1)[:mib])
		}, 1, want{"bad x.tar.002: it is a damaged copy, or another file; the good copy is called copy",
			"volume 2 of 3 (x.tar.002): it is a damaged copy, or another file; the good copy is called copy", nil}},
		"half a download": {func(c *carried) {
			c.remove("x.tar.002")
			c.write("x.tar.002.part", c.content(1)[:mib])
		}, 1, want{"bad x.tar.002 (called x.tar.002.part): copied short", "", verify.ErrMismatch}},
	} {
		t.Run(name, func(t *testing.T) {
			carried := carry(t, content(5*mib+100))
			c.do(carried)
			files := carried.find()
			found := files.Found()
			got, err := readAll(files)
			switch {
			case c.want.kind == nil && (err != nil || !bytes.Equal(got, carried.archive)):
				t.Errorf("%d bytes: %v", len(got), err)
			case c.want.kind != nil && (!errors.Is(err, c.want.kind) ||
				!strings.Contains(err.Error(), carried.set.Title(c.volume))):
				t.Errorf("%v", err)
			}
			if c.want.kind == fs.ErrNotExist && !errors.Is(found.Unusable(), c.want.kind) {
				t.Errorf("before anything is read: %v", found.Unusable())
			}
			if c.want.kind == nil && found.Unusable() != nil {
				t.Error(found.Unusable())
			}
			health, err := files.Check(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if line := health.Line(c.volume); !strings.HasPrefix(line, c.want.line) {
				t.Errorf("%s", line)
			}
			if said := health.Sentence(c.volume); !strings.Contains(said, c.want.said) || said == "" {
				t.Errorf("%s", said)
			}
			if hurt := !strings.HasPrefix(c.want.line, "ok"); hurt != (health.Err() != nil || health.Names() != nil) {
				t.Error(health.Err(), health.Names())
			}
		})
	}
}

// What goes by names takes a file that has the name of a volume, so a good copy elsewhere is not enough.
func TestNamesThatOthersHave(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*carried)
		want  string // part of the error; empty: there is none
	}{
		"none":                             {func(*carried) {}, ""},
		"renamed":                          {func(c *carried) { c.rename("x.tar.002", "y") }, ""},
		"renamed so that cat takes it too": {func(c *carried) { c.rename("x.tar.002", "x.tar.002.part") }, ""},
		"a second copy": {func(c *carried) {
			c.rename("x.tar.001", "good")
			c.write("x.tar.001", c.content(1))
		}, "volume 1 of 3 (x.tar.001): it is a second copy of x.tar.002; the good copy is called good"},
		"a stranger": {func(c *carried) {
			c.rename("x.tar.001", "good")
			c.write("x.tar.001", make([]byte, 2*mib))
		}, "it is of another archive, or of an older one; the good copy is called good"},
		"like it but for one block": {func(c *carried) {
			c.write("good", c.content(1))
			c.flip("x.tar.002", 5)
		}, "it is a damaged copy, or another file; the good copy is called good"},
		"swapped": {func(c *carried) {
			c.rename("x.tar.002", "y")
			c.rename("x.tar.001", "x.tar.002")
			c.rename("y", "x.tar.001")
		}, "x.tar.001 and x.tar.002 have each other's names"},
		"one before the first": {func(c *carried) { c.write("x.tar.000", nil) }, "x.tar.000 is no volume of x.tar"},
		"one behind the last":  {func(c *carried) { c.write("x.tar.004", nil) }, "x.tar.004 is no volume of x.tar"},
		"others":               {func(c *carried) { c.write("x.tar.p03", nil); c.write("x.tar.txt", nil) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			carried := carry(t, content(5*mib+100))
			c.spoil(carried)
			h, err := carried.find().Check(t.Context(), nil)
			if err != nil || h.Err() != nil {
				t.Fatal(err, h.Err())
			}
			err = h.Names()
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, verify.ErrMismatch) ||
				!strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want: %s", err, c.want)
			}
		})
	}
	c, near := carry(t, content(5*mib+100)), t.TempDir()
	if err := os.WriteFile(filepath.Join(near, "x.tar.001"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][]string{{near, c.dir}, {c.dir, near}} {
		files, err := volume.Find(t.Context(), c.set, dirs)
		if err != nil {
			t.Fatal(err)
		}
		h := files.Found()
		files.Close()
		if err := h.Names(); h.Err() != nil || err == nil || !strings.Contains(err.Error(), "in "+near) {
			t.Errorf("%v: %v", dirs, err)
		}
	}
}

// Of a very large folder not each file is looked at, which is said.
func TestTooManyFiles(t *testing.T) {
	c := carry(t, content(5*mib+100))
	for i := range 10_001 {
		c.write(fmt.Sprintf("f%05d", i), nil)
	}
	if c.find().Found().Err() != nil {
		t.Error("its volumes have their names")
	}
	c.remove("x.tar.002")
	if err := c.find().Found().Err(); err == nil || !strings.Contains(err.Error(), "too many files to look at") {
		t.Error(err)
	}
}

// A set file beside the volumes of another run is one mistake.
func TestForeignSetFile(t *testing.T) {
	c := carry(t, content(5*mib+100))
	for i := 1; i <= 3; i++ {
		if err := os.WriteFile(c.path(fmt.Sprintf("x.tar.00%d", i)), make([]byte, 3<<20), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.remove("x.tar.p01")
	c.remove("x.tar.p02")
	err := c.find().Found().Unusable()
	want := "x.tar.set does not belong to the volumes beside it: bring the set file that was written with them"
	if err == nil || err.Error() != want || !errors.Is(err, verify.ErrMismatch) ||
		errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// All volumes that are missing are in one message.
func TestAllThatIsMissing(t *testing.T) {
	c := carry(t, content(5*mib+100))
	c.remove("x.tar.001")
	c.remove("x.tar.003")
	c.write("x.tar.002", c.content(1)[:mib])
	err := c.find().Found().Unusable()
	want := "volume 1 of 3 (x.tar.001), volume 3 of 3 (x.tar.003) are missing in " + c.dir +
		"; volume 2 of 3 (x.tar.002): copied short, 1048576 of 2097152 bytes are here"
	var about *volume.Error
	if err == nil || err.Error() != want || !errors.Is(err, volume.ErrMissing) || !errors.As(err, &about) ||
		fmt.Sprint(about.Numbers()) != "[1 2 3]" {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// Volumes may be in several folders, such as those of several sticks.
func TestSeveralFolders(t *testing.T) {
	c := carry(t, content(5*mib+100))
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "x.tar.003"), c.content(2), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "anything"), c.content(1), 0o644); err != nil {
		t.Fatal(err)
	}
	c.flip("x.tar.003", 5) // the other one is better
	c.remove("x.tar.002")
	files := c.find(other)
	if got, err := readAll(files); err != nil || !bytes.Equal(got, c.archive) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if _, err := volume.Find(t.Context(), c.set, []string{c.dir, filepath.Join(other, "none")}); err == nil {
		t.Error("a folder that is not there is searched")
	}
}

// Links are not followed, even to the right volume.
func TestLinks(t *testing.T) {
	c := carry(t, content(5*mib+100))
	c.remove("x.tar.002")
	where := filepath.Join(t.TempDir(), "x.tar.002")
	if err := os.WriteFile(where, c.content(1), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.tar.002", "other"} {
		if err := os.Symlink(where, c.path(name)); err != nil {
			t.Skip(err)
		}
	}
	found := c.find().Found()
	if said := found.Sentence(1); !strings.Contains(said, "links are not followed") ||
		!errors.Is(found.Unusable(), verify.ErrMismatch) {
		t.Error(said)
	}
}

// Volumes that begin alike are told apart by their ends.
func TestVolumesThatBeginAlike(t *testing.T) {
	archive := content(6 * mib)
	for i := range 3 {
		copy(archive[2*i*mib:], make([]byte, mib))
	}
	c := carry(t, archive)
	c.rename("x.tar.001", "b")
	c.rename("x.tar.002", "c")
	c.rename("x.tar.003", "a")
	if got, err := readAll(c.find()); err != nil || !bytes.Equal(got, archive) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

// As many volumes as a set can have, one of a block each, found by name and without.
func TestVeryManyVolumes(t *testing.T) {
	archive := content(254*mib + 1)
	set := cut(archive, mib, mib, 0)
	dir := t.TempDir()
	name := func(i int) string { return filepath.Join(dir, set.FileName(i)) }
	for i := range set.Len() {
		if err := os.WriteFile(name(i), archive[set.Start(i):][:set.At(i).Size], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, named := range []bool{true, false} {
		for i := range set.Len() {
			if named {
				break
			}
			if err := os.Rename(name(i), filepath.Join(dir, fmt.Sprint(1000-i))); err != nil {
				t.Fatal(err)
			}
		}
		files, err := volume.Find(t.Context(), set, []string{dir})
		if err != nil {
			t.Fatal(err)
		}
		if health, err := files.Check(t.Context(), nil); err != nil || health.Err() != nil {
			t.Errorf("named %t: %v, %v", named, err, health.Err())
		}
		files.Close()
	}
}

// Volumes with the same content may stand for each other.
func TestEqualVolumes(t *testing.T) {
	archive := make([]byte, 6*mib)
	c := carry(t, archive)
	c.rename("x.tar.001", "b")
	c.rename("x.tar.003", "a")
	if got, err := readAll(c.find()); err != nil || !bytes.Equal(got, archive) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

func TestFindStops(t *testing.T) {
	c := carry(t, content(5*mib+100))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := volume.Find(ctx, c.set, []string{c.dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	files := c.find()
	if _, err := files.Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
