//go:build linux

package pairs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPatchOfTrees(t *testing.T) {
	a, b, out := t.TempDir(), t.TempDir(), t.TempDir()
	long := strings.Repeat("content that is the same ", 1000)
	for _, dir := range []string{a, b} {
		write(t, dir, "usr/long", long)
		write(t, dir, "usr/name", filepath.Base(dir))
		if err := os.Link(filepath.Join(dir, "usr/long"), filepath.Join(dir, "usr/linked")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, b, "new", "something new")
	without, err := look(a)
	if err != nil {
		t.Fatal(err)
	}
	old, new, added := filepath.Join(out, "old"), filepath.Join(out, "new"), filepath.Join(out, "added")
	for to, tree := range map[string]tree{
		old: {dir: a}, new: {dir: b, prefix: "app/"}, added: {dir: a, without: without},
	} {
		if err := tree.layer(to); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(added); err != nil || info.Size() != 1024 {
		t.Errorf("a tree without what is in it has %d bytes, %v", info.Size(), err)
	}
	patch := filepath.Join(out, "patch")
	if err := Own(t.Context(), []string{"patch", old, new, patch}); err != nil {
		t.Fatal(err)
	}
	if err := Own(t.Context(), []string{"apply", old, new, patch}); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(patch); err != nil || info.Size() > 700 {
		t.Errorf("the patch has %d bytes, %v", info.Size(), err)
	}
	var fresh bytes.Buffer
	if err := unlike(old, new, &fresh); err != nil || fresh.String() != "something new"+filepath.Base(b) {
		t.Errorf("%q is new, %v", fresh.String(), err)
	}
}

func TestTables(t *testing.T) {
	r := &Report{columns: []column{{pair: all[0], size: 5e6, costs: make([]cost, len(methods()))}}}
	r.columns[0].costs[1] = cost{failed: "too large"}
	page, err := r.On("a\n" + begins + "old\n" + ends + "z\n")
	if err != nil || strings.Contains(page, "old\n") || !strings.HasSuffix(page, ends+"z\n") ||
		!strings.Contains(page, "| plain layer, MB | 5.0 |") || !strings.Contains(page, "gzip -6, KB | - |") {
		t.Errorf("%v\n%s", err, page)
	}
	if again, err := r.On(page); err != nil || again != page {
		t.Errorf("%v\n%s", err, again)
	}
	if _, err := r.On("no place"); err == nil {
		t.Error("written nowhere")
	}
}
