package layout_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/image"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// Variables that make the test binary one of several processes that work on a layout.
const (
	childDir  = "DRAYAGE_TEST_LAYOUT"
	childName = "DRAYAGE_TEST_NAME"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := work(dir, os.Getenv(childName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// work pushes a blob that all processes share and one of its own, and tags the latter, a few times.
func work(dir, name string) error {
	ctx := context.Background()
	d, err := layout.CreateDir(ctx, dir)
	if err != nil {
		return err
	}
	defer d.Close()
	shared := bytes.Repeat([]byte("shared"), 100_000)
	if err := d.Push(ctx, image.Describe("", shared), &tt.Source{Content: shared}, nil); err != nil {
		return err
	}
	for i := range 5 {
		own := fmt.Appendf(nil, "manifest %d of %s", i, name)
		desc := image.Describe(v1.MediaTypeImageManifest, own)
		if err := d.Push(ctx, desc, &tt.Source{Content: own}, nil); err != nil {
			return err
		}
		if _, err := d.Tag(ctx, desc, "example.org/"+name+":1", "1"); err != nil {
			return err
		}
	}
	return nil
}

// child starts the test binary as a process of its own on a layout.
func child(t *testing.T, dir, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childName+"="+name)
	return cmd
}

func create(t *testing.T, path string) *layout.Dir {
	t.Helper()
	d, err := layout.CreateDir(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// tree lists the files below dir with their content, without empty directories, the lock and claims.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if !d.Type().IsRegular() {
			found[rel] = d.Type().String()
			return nil
		}
		raw, err := os.ReadFile(path)
		if found[rel] = string(raw); rel == ".drayage/lock" || strings.HasPrefix(rel, ".drayage/claim-") {
			delete(found, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// blobs lists the blobs among the files of a tree.
func blobs(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := tree(t, dir)
	for name := range found {
		if !strings.HasPrefix(name, "blobs/") {
			delete(found, name)
		}
	}
	return found
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
