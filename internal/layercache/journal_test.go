package layercache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"drayage/internal/layercache"
)

const somewhere = "https://registry.example/v2/app/blobs/uploads/1?_state=signed%2Bx"

// uploads is where they are kept.
func uploads(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "uploads"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, filepath.Join(dir, "uploads", e.Name()))
	}
	return all
}

func TestUpload(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	c := layercache.Open(dir, "gzip-4")
	u := c.BlobJournal("h:5000", "app", packed.Digest)
	if at := u.Location(); at != "" {
		t.Errorf("nothing is remembered as %q", at)
	}
	u.Remember(somewhere + strings.Repeat("x", 100))
	u.Remember(somewhere)
	if at := u.Location(); at != somewhere {
		t.Errorf("%q", at)
	}
	u.Close()
	for _, other := range []*layercache.Journal{
		c.BlobJournal("h", "app", packed.Digest), c.BlobJournal("h:5000", "app2",
			packed.Digest), c.BlobJournal("h:5000", "app", diffID),
		c.LayerJournal("h:5000", "app", packed.Digest), c.LayerJournal("h:5000", "app", diffID),
	} {
		if at := other.Location(); at != "" {
			t.Errorf("another upload goes on at %q", at)
		}
		other.Close()
	}
	path := one(t, filepath.Join(dir, "uploads"))
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v: others can read it", info.Mode(), err)
	}
	u = layercache.Open(dir, "gzip-9").BlobJournal("h:5000", "app", packed.Digest)
	if at := u.Location(); at != somewhere {
		t.Errorf("the next process finds %q", at)
	}
	u.Forget()
	if at := u.Location(); at != "" {
		t.Errorf("forgotten, and %q", at)
	}
	u.Close()
	u.Close()
	if left := uploads(t, dir); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

// What has arrived is forgotten without a look at where it went on.
func TestUploadIsForgottenUnasked(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "gzip-4")
	unknown := c.BlobJournal("h", "app", packed.Digest)
	unknown.Forget()
	unknown.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v: nothing was to be remembered", left, err)
	}
	u := c.BlobJournal("h", "app", packed.Digest)
	u.Remember(somewhere)
	u.Close()
	next := c.BlobJournal("h", "app", packed.Digest)
	next.Forget()
	next.Close()
	if left := uploads(t, dir); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

// How a layer is compressed decides its bytes.
func TestUploadOfALayer(t *testing.T) {
	dir := t.TempDir()
	u := layercache.Open(dir, "gzip-4").LayerJournal("h", "app", diffID)
	u.Remember(somewhere)
	u.Close()
	for method, want := range map[string]string{"gzip-4": somewhere, "gzip-9": ""} {
		u := layercache.Open(dir, method).LayerJournal("h", "app", diffID)
		if at := u.Location(); at != want {
			t.Errorf("%s: %q, want %q", method, at, want)
		}
		u.Close()
	}
}

// Two that send the same would spoil each other's upload.
func TestUploadIsOnes(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "gzip-4")
	mine, other := c.BlobJournal("h", "app", packed.Digest), c.BlobJournal("h", "app", packed.Digest)
	mine.Remember(somewhere)
	if at := other.Location(); at != "" {
		t.Errorf("while it is in use another gets %q", at)
	}
	other.Remember(somewhere + "2")
	other.Forget()
	other.Close()
	if at := mine.Location(); at != somewhere {
		t.Errorf("another has changed it to %q", at)
	}
	mine.Close()
	next := c.BlobJournal("h", "app", packed.Digest)
	defer next.Close()
	if at := next.Location(); at != somewhere {
		t.Errorf("when it is no longer in use: %q", at)
	}
}

func TestUploadsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "gzip-4")
	remember := func(repository string, age time.Duration) {
		u := c.BlobJournal("h", repository, packed.Digest)
		defer u.Close()
		before := uploads(t, dir)
		u.Remember(somewhere)
		for _, path := range uploads(t, dir) {
			then := time.Now().Add(-age)
			if fresh := !strings.Contains(fmt.Sprint(before), path); fresh && os.Chtimes(path, then, then) != nil {
				t.Fatal(path)
			}
		}
	}
	at := func(repository string) string {
		u := c.BlobJournal("h", repository, packed.Digest)
		defer u.Close()
		return u.Location()
	}
	remember("old", 8*24*time.Hour)
	if got := at("old"); got != "" {
		t.Errorf("after a week %q", got)
	}
	for i := range 300 {
		remember(fmt.Sprint("app", i), time.Duration(300-i)*time.Minute)
	}
	if got := at("app299"); got != somewhere {
		t.Errorf("the last is remembered as %q", got)
	}
	if got := at("app0"); got != "" {
		t.Errorf("of too many the oldest is remembered as %q", got)
	}
	if n := len(uploads(t, dir)); n > 260 {
		t.Errorf("%d files", n)
	}
}

func TestUploadsThatCannotBeRemembered(t *testing.T) {
	none := layercache.Open("", "gzip-4")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := layercache.Open(filepath.Join(file, "dir"), "gzip-4")
	for _, u := range []*layercache.Journal{
		none.BlobJournal("h", "app", packed.Digest), none.LayerJournal("h", "app", diffID), blocked.BlobJournal("h",
			"app", packed.Digest),
	} {
		u.Remember(somewhere)
		if at := u.Location(); at != "" {
			t.Errorf("%q", at)
		}
		u.Forget()
		u.Close()
	}
	dir := t.TempDir()
	u := layercache.Open(dir, "gzip-4").BlobJournal("h", "app", packed.Digest)
	defer u.Close()
	for _, location := range []string{"", "a b", "a\nb", "a\x00", "ä", strings.Repeat("a", 8<<10+1)} {
		u.Remember(somewhere)
		u.Remember(location)
		if at := u.Location(); at != "" {
			t.Errorf("%q is remembered as %q", location, at)
		}
	}
}

// FuzzUpload checks that whatever has become of an entry, what is read of it is one address.
func FuzzUpload(f *testing.F) {
	for _, s := range []string{somewhere + "\n", somewhere, "", "\n", "a\nb\n", "a b\n",
		strings.Repeat("a", 9<<10) + "\n", "\x00\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		u := layercache.Open(dir, "gzip-4").BlobJournal("h", "app", packed.Digest)
		u.Remember(somewhere)
		u.Close()
		if err := os.WriteFile(one(t, filepath.Join(dir, "uploads")), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		u = layercache.Open(dir, "gzip-4").BlobJournal("h", "app", packed.Digest)
		defer u.Close()
		if at := u.Location(); at != "" && (at+"\n" != string(raw) || len(at) > 8<<10 ||
			strings.ContainsAny(at, " \t\r\n\x00")) {
			t.Fatalf("%q is read as %q", raw, at)
		}
		u.Remember(somewhere)
		if at := u.Location(); at != somewhere {
			t.Fatalf("not repaired: %q", at)
		}
	})
}
