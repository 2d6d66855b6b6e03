package layout

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Wild case 32: while very many images arrive, index.json is changed again and again. It must not be parsed
// for each of the changes, nor for the questions whether more fits into it, what it has and what it lacks.
func TestWild32IndexIsParsedOnce(t *testing.T) {
	const many, changes = 1000, 10
	d := newDir(t)
	var all []Entry
	for i := range many {
		name := fmt.Sprintf("docker.io/many/app%d:1", i)
		all = append(all, Entry{Descriptor: desc(name), Name: name, Tag: "1"})
	}
	if _, err := d.Enter(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range changes {
		some := all[i*10 : i*10+10]
		some[0].Descriptor = desc(fmt.Sprint("another ", i))
		if err := d.Fits(some); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Enter(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		if missing, err := d.Missing(some); err != nil || len(missing) > 0 {
			t.Fatal(missing, err)
		}
		if now, ok := d.Names()(some[0].Name); !ok || now.Digest != some[0].Descriptor.Digest {
			t.Fatal(now, ok)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.Mallocs - before.Mallocs) / (many * changes); each > 6 {
		t.Errorf("a change asks for memory %d times for each entry of the index", each)
	}
	if n := len(d.names(t)); n != many {
		t.Errorf("the index has %d entries", n)
	}
}

// What is remembered of index.json counts only as long as nobody else has changed it.
func TestIndexIsReadAgainWhenOthersHaveChangedIt(t *testing.T) {
	d := newDir(t)
	other, err := OpenDir(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tag := func(d *Dir, content, name string) {
		t.Helper()
		if _, err := d.Tag(t.Context(), desc(content), "registry.test/"+name, name[2:]); err != nil {
			t.Fatal(err)
		}
	}
	tag(d, "a", "x:1")
	tag(other, "a", "y:1")
	tag(d, "a", "a:1")
	tag(d, "b", "y:1")
	tag(other, "b", "x:1")
	path := filepath.Join(d.Path(), "index.json")
	raw, err := os.ReadFile(path)
	if err == nil { // by a tool that replaces no file
		raw = bytes.Replace(raw, []byte("registry.test/x:1"), []byte("registry.test/z:1"), 1)
		err = os.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	tag(d, "a", "x:1")
	want := []string{"registry.test/a:1 1 ca97", "registry.test/x:1 1 ca97", "registry.test/y:1 1 3e23",
		"registry.test/z:1 1 3e23"}
	if diff := cmp.Diff(want, d.names(t)); diff != "" {
		t.Error(diff)
	}
}
