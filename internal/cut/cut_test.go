package cut_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"drayage/internal/cut"
	"drayage/internal/durable"
	"drayage/internal/volume"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mib = 1 << 20

// content is some bytes.
func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

// write writes data in runs of odd lengths, from the end to the beginning, and ends the archive.
func write(t *testing.T, path string, opts cut.Options, data []byte) (*cut.Writer, error) {
	t.Helper()
	w, err := cut.Create(path, opts)
	if err != nil {
		return nil, err
	}
	t.Cleanup(w.Abort)
	const run = 300_007
	for off := (len(data) - 1) / run * run; off >= 0; off -= run {
		if _, err := w.WriteAt(data[off:min(off+run, len(data))], int64(off)); err != nil {
			return nil, err
		}
	}
	if err := w.Finish(t.Context()); err != nil {
		return nil, err
	}
	defer w.Abort()
	return w, w.Commit()
}

// tree is what files are in a directory, with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if raw, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			all[e.Name()] = string(raw)
		}
	}
	return all
}

// check looks at the volumes in a directory. Nothing else may be there.
func check(t *testing.T, dir string, size int, data []byte) *volume.Set {
	t.Helper()
	files := tree(t, dir)
	set, err := volume.Parse([]byte(files["x.tar.set"]))
	if err != nil {
		t.Fatal(err)
	}
	delete(files, "x.tar.set")
	joined := ""
	for i := 0; i*size < len(data); i++ {
		name := fmt.Sprintf("x.tar.%03d", i+1)
		if v := files[name]; set.FileName(i) != name || set.At(i).Size != int64(len(v)) ||
			set.At(i).SHA256 != digest.FromString(v) {
			t.Errorf("%s is not what the set says: %v", name, set.At(i))
		}
		for b := range set.BlocksOf(i) {
			off, n, sum := set.BlockAt(i, b)
			if digest.FromString(files[name][off:off+n]) != digest.NewDigestFromBytes(digest.SHA256, sum[:]) {
				t.Errorf("block %d of %s is not what the set says", b, name)
			}
		}
		joined += files[name]
		delete(files, name)
	}
	if joined != string(data) || set.SHA256 != digest.FromBytes(data) || set.Name != "x.tar" {
		t.Errorf("the volumes are not the archive")
	}
	for name := range files {
		t.Errorf("%s is left", name)
	}
	return set
}

func TestVolumes(t *testing.T) {
	for _, size := range []int{1, mib - 1, mib, mib + 1, 3 * mib, 5*mib + 77} {
		for _, vol := range []int{mib, 3 * mib, 4 * mib} {
			dir := t.TempDir()
			data := content(size)
			w, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: int64(vol)}, data)
			if err != nil {
				t.Fatal(size, vol, err)
			}
			check(t, dir, vol, data)
			if files := w.Written(); len(files) != len(tree(t, dir)) {
				t.Errorf("%v were written", files)
			}
		}
	}
}

func TestWriteInOrderAndReadBack(t *testing.T) {
	dir, data := t.TempDir(), content(2*mib+5)
	w, err := cut.Create(filepath.Join(dir, "x.tar"), cut.Options{Volume: mib})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	_, err1 := w.Write(content(3 * mib)) // begun anew
	err2 := w.Truncate(0)
	_, err3 := w.Seek(0, 0)
	for b := range slices.Chunk(data, 70_001) {
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	back := make([]byte, mib)
	n, err4 := w.ReadAt(back, mib/2)
	if err := errors.Join(err1, err2, err3, err4); err != nil || !bytes.Equal(back[:n], data[mib/2:mib/2+mib]) {
		t.Error(n, err)
	}
	if n, err := w.ReadAt(back, 2*mib); n != 5 || err == nil || string(back[:5]) != string(data[2*mib:]) {
		t.Error("at the end:", n, err)
	}
	err = errors.Join(w.Finish(t.Context()), w.Commit())
	w.Abort()
	if err != nil {
		t.Fatal(err)
	}
	check(t, dir, mib, data)
}

// A set replaces an earlier one, whose superfluous volumes and signature go.
func TestReplacesAnEarlierSet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.tar")
	if _, err := write(t, path, cut.Options{Volume: mib}, content(5*mib)); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	w, err := cut.Create(path, cut.Options{Volume: mib})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(3 * mib)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if after := tree(t, dir); len(after) != len(before) || after["x.tar.set"] != before["x.tar.set"] {
		t.Error("a run that was given up has changed something")
	}
	put(t, dir, "x.tar.set.minisig", "signed")
	if _, err := write(t, path, cut.Options{Volume: 2 * mib}, content(3*mib)); err != nil {
		t.Fatal(err)
	}
	check(t, dir, 2*mib, content(3*mib))
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What no set lists, and what cannot be told, stays where it is.
func TestRefusesToReplace(t *testing.T) {
	one := &volume.Set{Name: "x.tar", Size: 1, SHA256: digest.FromString("a"), Block: mib,
		Volumes: []volume.Volume{{Size: 1, SHA256: digest.FromString("a")}}}
	sum := digest.FromString("a").Encoded()
	fmt.Sscanf(sum, "%x", &one.Blocks)
	raw, err := one.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ content, text string }{
		"x.tar.004": {"mine", "x.tar.004 is in the way"},
		"x.tar.p01": {"mine", "x.tar.p01 is in the way"},
		"x.tar.set": {"mine", "cannot be read"},
		"one piece": {string(raw), "which is in one piece"},
	} {
		dir := t.TempDir()
		file := name
		if name == "one piece" {
			file = "x.tar.set"
		}
		put(t, dir, file, want.content)
		_, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib}, content(3*mib))
		if err == nil || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	put(t, dir, "x.tar.002", "of a run that was killed when volumes got their names")
	if _, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib}, content(3*mib)); err != nil {
		t.Fatal(err)
	}
	check(t, dir, mib, content(3*mib))
}

func TestTooMany(t *testing.T) {
	dir := t.TempDir()
	w, err := cut.Create(filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: 3})
	if err != nil {
		t.Fatal(err)
	}
	var many *cut.TooManyError
	if err := w.Truncate(252*mib + 1); !errors.As(err, &many) || many.Enough != 2*mib {
		t.Error(err)
	}
	if _, err := w.WriteAt([]byte("x"), 252*mib); !errors.As(err, &many) || many.Enough != 0 {
		t.Error(err)
	}
	w.Abort()
	if left := tree(t, dir); len(left) > 0 {
		t.Error("left:", left)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1M": mib, "4G": 4 << 30, "4GiB": 4 << 30, "650MB": 640 << 20, "25000000": 23 << 20, "100m": 100 << 20,
		"fat32": 4<<30 - 64<<20, "dvd": 34 * 128 << 20, "bd": 46 * 512 << 20, "900T": 16 << 40,
		"": 0, "x": 0, "1000k": 0, "-4G": 0, "0": 0, "FAT32": 0,
	} {
		got, err := cut.ParseSize(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// Enough is the smallest size: it will do, and a MiB less will not.
func TestEnough(t *testing.T) {
	for _, size := range []int64{1, mib, 255 * mib, 255*mib + 1, 5 << 30, 1 << 40, 3<<40 + 7} {
		v := cut.Enough(size, 255)
		rounded, err := cut.ParseSize(fmt.Sprint(v))
		less, _ := cut.ParseSize(fmt.Sprint(v - mib))
		if err != nil || rounded != v || v*255 < size || less*255 >= size {
			t.Errorf("%d: %d, %d, %v", size, v, less, err)
		}
	}
}

// A second process is refused as long as the first one writes.
func TestOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := cut.Create(path, cut.Options{Volume: mib})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := cut.Create(path, cut.Options{Volume: 2 * mib}); err == nil {
		t.Error("two at once")
	}
}

// Volumes go to the folders in order. A folder without room for a whole one gets none.
func TestFolders(t *testing.T) {
	a, b, c := t.TempDir(), t.TempDir(), t.TempDir()
	room := map[string]int64{a: 4*mib + 5, b: 2*mib + mib/2, c: 9 * mib}
	defer cut.Rooms(func(dir string) (int64, error) { return room[dir], nil })()
	data := content(6*mib + 1)
	opts := cut.Options{Volume: mib, Folders: []string{b, c}, Checksum: true}
	w, err := write(t, filepath.Join(a, "x.tar"), opts, data)
	if err != nil {
		t.Fatal(err)
	}
	joined := ""
	for dir, want := range map[string]int{a: 2, b: 0, c: 5} {
		if n := len(tree(t, dir)); n != want+2 && (want > 0 || n > 0) {
			t.Errorf("%d files, want %d volumes", n, want)
		}
	}
	for i := range 7 {
		dir := a
		if i > 1 {
			dir = c
		}
		joined += tree(t, dir)[fmt.Sprintf("x.tar.%03d", i+1)]
	}
	if joined != string(data) || tree(t, a)["x.tar.set"] != tree(t, c)["x.tar.set"] {
		t.Error("the volumes are not the archive, or the set files differ")
	}
	if want := "cat " + a + "/x.tar.0* " + c + "/x.tar.0* | docker load"; w.Load() != want {
		t.Error(w.Load())
	}
	if n := strings.Count(tree(t, c)["x.tar.sha256"], "\n"); n != 6 {
		t.Errorf("%d lines of checksums where five volumes are", n)
	}
	room[c] = 3 * mib
	w, err = cut.Create(filepath.Join(a, "y.tar"), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	err = w.Room(6*mib + 1)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "lack room") ||
		durable.DiskHint(err) != "free some space, or add one more -o DIR for the volumes that do not fit" {
		t.Error(err, durable.DiskHint(err))
	}
}

// Who saves anew over sticks that are full of the last archive learns which files take the room.
func TestFormerVolumesTakeTheRoom(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	room := map[string]int64{a: 4*mib + 5, b: 9 * mib}
	defer cut.Rooms(func(dir string) (int64, error) { return room[dir], nil })()
	opts := cut.Options{Volume: mib, Folders: []string{b}}
	if _, err := write(t, filepath.Join(a, "x.tar"), opts, content(6*mib)); err != nil {
		t.Fatal(err)
	}
	put(t, a, "x.tar.html", "is no volume")
	before := tree(t, a)
	room[a], room[b] = 0, 3*mib
	w, err := cut.Create(filepath.Join(a, "x.tar"), opts)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Room(6 * mib)
	want := "the earlier x.tar takes 6.3 MB there: remove " + a + "/x.tar.001 to .002, " +
		b + "/x.tar.003 to .006"
	if hint := durable.DiskHint(err); !strings.HasPrefix(hint, want) {
		t.Errorf("%v (%s)", err, hint)
	}
	w.Abort()
	if after := tree(t, a); !maps.Equal(before, after) {
		t.Error("something has changed:", len(after))
	}
}

// A volume is made again where it was. One that is lost goes where there is room for it.
func TestAgainInSeveralFolders(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	room := map[string]int64{a: 4*mib + 5, b: 9 * mib}
	defer cut.Rooms(func(dir string) (int64, error) { return room[dir], nil })()
	data, path := content(6*mib), filepath.Join(a, "x.tar")
	opts := cut.Options{Volume: mib, Folders: []string{b}, Parity: 1}
	if _, err := write(t, path, opts, data); err != nil {
		t.Fatal(err)
	}
	before := []map[string]string{tree(t, a), tree(t, b)}
	room[a], room[b] = 0, 7*mib
	for _, name := range []string{"x.tar.003", "x.tar.p01"} {
		if err := os.Remove(filepath.Join(b, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, a, "x.tar.001", "bad")
	if err := os.Remove(filepath.Join(a, "x.tar.set")); err != nil { // that in the other folder will do
		t.Fatal(err)
	}
	again, err := cut.Redo(path, []string{b}, "1,3,p1")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Abort()
	_, err = again.WriteAt(data, 0)
	if err := errors.Join(err, again.Room(0), again.Finish(t.Context()), again.Commit()); err != nil {
		t.Fatal(err)
	}
	put(t, a, "x.tar.set", before[0]["x.tar.set"])
	if !maps.Equal(before[0], tree(t, a)) || !maps.Equal(before[1], tree(t, b)) {
		t.Error("the folders are not as before")
	}
	c := t.TempDir()
	if _, err := write(t, filepath.Join(c, "x.tar"), cut.Options{Volume: mib}, content(7*mib)); err != nil {
		t.Fatal(err)
	}
	_, err = cut.Redo(path, []string{b, c}, "1")
	if err == nil || !strings.Contains(err.Error(), "are of different archives") {
		t.Error(err)
	}
}

func TestFoldersThatCannotBe(t *testing.T) {
	a := t.TempDir()
	put(t, a, "file", "")
	for name, more := range map[string]string{"given twice": a, "no folder": filepath.Join(a, "file"),
		"no such": filepath.Join(a, "none")} {
		_, err := cut.Create(filepath.Join(a, "y.tar"), cut.Options{Volume: mib, Folders: []string{more}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
