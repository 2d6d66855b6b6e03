package layout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/filelock"
	tt "drayage/internal/transfertest"
	"drayage/internal/verify"
	"drayage/layout"
)

var errGone = errors.New("404 not found")

var (
	content = []byte(strings.Repeat("0123456789", 300))
	desc    = v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	blob    = "blobs/sha256/" + desc.Digest.Encoded()
	partial = ".drayage/partial/sha256-" + desc.Digest.Encoded()
)

func holdLock(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = filelock.TryLock(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPush(t *testing.T) {
	wrong := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name   string
		held   string // the partial file from an earlier try
		tries  []tt.Try
		always tt.Try
		err    error
		kept   string // the partial file afterwards
		opened []int64
	}{
		{"new", "", nil, nil, nil, "", []int64{0}},
		{"resumed", string(content[:1000]), nil, nil, nil, "", []int64{1000}},
		{"resumed from all of it", string(content), nil, nil, nil, "", []int64{}},
		{"resumed from wrong bytes", wrong, nil, nil, nil, "", []int64{1000, 0}},
		{"resumed from too many bytes", string(content) + wrong, nil, nil, nil, "", []int64{0}},
		{"broken, then resumed", "", []tt.Try{tt.Break(10)}, nil, nil, "", []int64{0, 10}},
		{"broken for good", "", nil, tt.Fail(10, errGone), errGone, string(content[:10]), []int64{0}},
		{"broken for good at once", "", nil, tt.Refuse(errGone), errGone, "", []int64{0}},
		{"resumed and broken for good", string(content[:1000]), nil, tt.Fail(10, errGone), errGone,
			string(content[:1010]), []int64{1000}},
		{"resumed and broken at once", string(content[:1000]), nil, tt.Refuse(errGone), errGone,
			string(content[:1000]), []int64{1000}},
		{"wrong partial, then broken for good", wrong, []tt.Try{nil}, tt.Fail(10, errGone), errGone,
			string(content[:10]), []int64{1000, 0}},
		{"wrong once", "", []tt.Try{tt.Flip(5)}, nil, nil, "", []int64{0, 0}},
		{"wrong", "", nil, tt.Flip(5), verify.ErrMismatch, "", []int64{0, 0}},
		{"short", "", nil, tt.Short(1), verify.ErrMismatch, "", []int64{0, 0}},
		{"long", "", nil, tt.Long("x"), verify.ErrMismatch, "", []int64{0, 0}},
		{"endless", "", nil, tt.Endless, verify.ErrMismatch, "", []int64{0, 0}},
	} {
		dir := t.TempDir()
		d := create(t, dir)
		if c.held != "" {
			write(t, filepath.Join(dir, partial), c.held)
		}
		want := map[string]string{"oci-layout": marker, "index.json": empty, blob: string(content)}
		if c.err != nil {
			delete(want, blob)
		}
		if c.kept != "" {
			want[partial] = c.kept
		}
		src := &tt.Source{Content: content, Tries: c.tries, Always: c.always}
		synctest.Test(t, func(t *testing.T) {
			last := int64(-1)
			if err := d.Push(t.Context(), desc, src, func(n int64) { last = n }); !errors.Is(err, c.err) {
				t.Errorf("%s: %v, want %v", c.name, err, c.err)
			}
			if c.err == nil && last != desc.Size {
				t.Errorf("%s: %d bytes reported in the end", c.name, last)
			}
		})
		same(t, c.name, want, tree(t, dir))
		same(t, c.name+": opened at", c.opened, src.Opened())
	}
}

func TestPushDoesNotReadWhatIsThere(t *testing.T) {
	d := create(t, t.TempDir())
	reported := int64(0)
	for range 2 {
		if err := d.Push(t.Context(), desc, &tt.Source{Content: content, Tries: []tt.Try{nil},
			Always: tt.Refuse(errGone)}, func(n int64) { reported = n }); err != nil || reported != desc.Size {
			t.Errorf("%v, %d bytes reported", err, reported)
		}
	}
	src := &tt.Source{Always: tt.Refuse(errGone)}
	if err := d.Push(t.Context(), desc, src, nil); err != nil || len(src.Opened()) > 0 {
		t.Errorf("asked %d times: %v", len(src.Opened()), err)
	}
}

func TestPushReplacesABlobOfTheWrongSize(t *testing.T) {
	for _, there := range []string{"", "short", string(content) + "long"} {
		dir := t.TempDir()
		d := create(t, dir)
		write(t, filepath.Join(dir, blob), there)
		if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
			t.Fatal(err)
		}
		same(t, there, map[string]string{blob: string(content)}, blobs(t, dir))
	}
}

func TestPushOfOtherBlobs(t *testing.T) {
	dir := t.TempDir()
	d := create(t, dir)
	none := v1.Descriptor{Digest: digest.FromString(""), Size: 0}
	long := v1.Descriptor{Digest: digest.SHA512.FromBytes(content), Size: desc.Size}
	if err := errors.Join(d.Push(t.Context(), none, &tt.Source{}, nil),
		d.Push(t.Context(), long, &tt.Source{Content: content}, nil)); err != nil {
		t.Fatal(err)
	}
	same(t, "empty and sha512", map[string]string{"blobs/sha256/" + none.Digest.Encoded(): "",
		"blobs/sha512/" + long.Digest.Encoded(): string(content)}, blobs(t, dir))
	for _, bad := range []v1.Descriptor{{Digest: "sha256:../../x", Size: 1},
		{Digest: "md5:" + digest.Digest(desc.Digest.Encoded()[:32]), Size: 1}, {Digest: desc.Digest,
			Size: -1}, {}} {
		src := &tt.Source{Content: []byte("x")}
		if err := d.Push(t.Context(), bad, src, nil); err == nil || len(src.Opened()) > 0 {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestPushIntoALayoutOfAnotherTool(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "oci-layout"), marker)
	write(t, filepath.Join(dir, "index.json"), empty)
	d, err := layout.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tag(t.Context(), desc, "docker.io/library/a:1", "1"); err != nil {
		t.Fatal(err)
	}
	same(t, "blobs", map[string]string{blob: string(content)}, blobs(t, dir))
}

// Wild case 42: what is no regular file is replaced, and nothing is written through it.
func TestWild42PushReplacesWhatIsNoRegularFile(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"link to a file outside": func(path string) error { return os.Symlink("/dev/full", path) },
		"link to a file inside":  func(path string) error { return os.Symlink("../../index.json", path) },
		"link to nothing":        func(path string) error { return os.Symlink("nothing", path) },
		"named pipe":             makePipe,
		"directory":              func(path string) error { return os.Mkdir(path, 0o755) },
		"directory with a file":  func(path string) error { return os.MkdirAll(path+"/x", 0o755) },
	} {
		for _, name := range []string{blob, partial} {
			dir := t.TempDir()
			d := create(t, dir)
			if err := plant(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			index, _ := os.ReadFile(filepath.Join(dir, "index.json"))
			if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
				t.Errorf("%s at %.8s: %v", what, name, err)
			}
			same(t, what, map[string]string{blob: string(content)}, blobs(t, dir))
			if after, _ := os.ReadFile(filepath.Join(dir, "index.json")); string(index) != string(after) {
				t.Errorf("%s at %.8s: index.json was written to", what, name)
			}
		}
	}
}

func TestPushNeverLeavesTheLayout(t *testing.T) {
	for _, name := range []string{"blobs", "blobs/sha256", ".drayage", ".drayage/partial"} {
		dir, outside := t.TempDir(), t.TempDir()
		d := create(t, dir)
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, name)),
			os.Symlink(outside, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err == nil {
			t.Errorf("%s is a link to the outside: no error", name)
		}
		same(t, name+": outside", map[string]string{}, tree(t, outside))
	}
}

func TestPushWaitsForWhoeverHasTheBlob(t *testing.T) {
	dir := t.TempDir()
	d := create(t, dir)
	other := holdLock(t, filepath.Join(dir, partial))
	reason := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := d.Push(ctx, desc, &tt.Source{Content: content}, nil); !errors.Is(err, reason) {
		t.Errorf("while another has it: %v, want the cause of the context", err)
	}
	if _, err := other.Write(content); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		src := &tt.Source{Always: tt.Refuse(errGone)}
		done := make(chan error)
		go func() { done <- d.Push(t.Context(), desc, src, nil) }()
		synctest.Wait() // it sleeps until it tries the lock again
		if err := os.Rename(filepath.Join(dir, partial), filepath.Join(dir, blob)); err != nil {
			t.Error(err)
		}
		other.Close()
		if err := <-done; err != nil || len(src.Opened()) > 0 {
			t.Errorf("after another has finished it: %v, asked %d times", err, len(src.Opened()))
		}
	})
}

func TestGoroutinesShareALayout(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "a", "b"} {
		wg.Go(func() {
			if err := work(dir, name); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkShared(t, dir, 2)
}

func TestProcessesShareALayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var wg sync.WaitGroup
	for _, name := range strings.Split("abcdefgh", "") {
		cmd := child(t, dir, name)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %s: %v: %s", name, err, out)
			}
		})
	}
	wg.Wait()
	checkShared(t, dir, 8)
}

// checkShared checks what n callers of work have left together.
func checkShared(t *testing.T, dir string, n int) {
	t.Helper()
	d, err := layout.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	images, err := d.Images()
	if err != nil || len(images) != n {
		t.Errorf("%d of %d images, %v", len(images), n, err)
	}
	for _, im := range images {
		raw, err := image.ReadAll(t.Context(), d, im.Descriptor, 100)
		if err != nil || !strings.HasPrefix(string(raw), "manifest 4 of ") {
			t.Errorf("%s is %q, %v", im.Name, raw, err)
		}
	}
	for name, content := range blobs(t, dir) {
		if digest.FromString(content).Encoded() != filepath.Base(name) {
			t.Errorf("%s holds something else", name)
		}
	}
	for name := range tree(t, dir) {
		if strings.HasPrefix(name, ".drayage") {
			t.Errorf("%s is left over", name)
		}
	}
}

// killed is a source that ends its reader's process in the middle.
func TestPushAfterAKill(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	write(t, filepath.Join(dir, partial), string(content[:1234]))
	var sent bytes.Buffer
	src := &tt.Source{Content: content, Wrap: func(r io.Reader) io.Reader { return io.TeeReader(r, &sent) }}
	if err := create(t, dir).Push(t.Context(), desc, src, nil); err != nil {
		t.Fatal(err)
	}
	if sent.Len() != len(content)-1234 {
		t.Errorf("%d bytes came again", sent.Len()-(len(content)-1234))
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	for _, d := range []string{dir, filepath.Join(dir, ".drayage"), filepath.Join(dir, ".drayage/partial"),
		filepath.Join(dir, "blobs/sha256")} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(d, 0o755)
	}
	before := tree(t, dir)
	cmd := child(t, dir, "x")
	if err := demote(cmd, dir); err != nil {
		t.Skip(err)
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(dir)) || !bytes.Contains(out,
		[]byte(fs.ErrPermission.Error())) {
		t.Errorf("%v: %s", err, out)
	}
	same(t, "read-only", before, tree(t, dir))
}

// A blob that has rotted keeps its size.
func TestPushReplacesWhatHasRotted(t *testing.T) {
	dir := t.TempDir()
	content := []byte("content")
	desc := image.Describe("application/octet-stream", content)
	path := filepath.Join(dir, "blobs", "sha256", desc.Digest.Encoded())
	for what, there := range map[string]string{"flipped": "cOntent", "cut": "conten", "longer": "content+",
		"right": "content"} {
		d := create(t, dir)
		write(t, path, there)
		src := &tt.Source{Content: content}
		if err := d.Push(t.Context(), desc, src, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if raw, err := os.ReadFile(path); err != nil || string(raw) != "content" {
			t.Errorf("%s: the layout has %q, %v", what, raw, err)
		}
		if opened := len(src.Opened()) > 0; opened != (what != "right") {
			t.Errorf("%s: fetched again: %v", what, opened)
		}
		d.Close()
	}
}

// The lock may belong to another user. To lock it, it is enough to read it.
func TestLockOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	lock := filepath.Join(dir, ".drayage", "lock")
	for _, mode := range []os.FileMode{0o444, 0} {
		for _, d := range []string{"", "blobs", "blobs/sha256", ".drayage", ".drayage/partial"} {
			if err := os.Chmod(filepath.Join(dir, d), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(lock, mode); err != nil {
			t.Fatal(err)
		}
		cmd := child(t, dir, "other")
		if err := demote(cmd, dir); err != nil {
			t.Skip(err)
		}
		said, err := cmd.CombinedOutput()
		if ok := err == nil; ok != (mode != 0) ||
			!ok && !strings.Contains(string(said), "lock: permission denied: give") {
			t.Errorf("%v: %s, %v", mode, said, err)
		}
	}
}
