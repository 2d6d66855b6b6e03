package cut_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/cut"
)

// What a person carries away volume by volume is what is written at once.
func TestMedia(t *testing.T) {
	once, at, kept, data := t.TempDir(), t.TempDir(), t.TempDir(), content(3*mib+7)
	if _, err := write(t, filepath.Join(once, "x.tar"), cut.Options{Volume: mib}, data); err != nil {
		t.Fatal(err)
	}
	var told []string
	opts := cut.Options{Volume: mib, Folders: []string{kept}, Checksum: true}
	m, err := cut.NewMedia(filepath.Join(at, "x.tar"), opts, func(done int, why string) error {
		if told = append(told, why); len(told) == 2 {
			return nil // Enter, but the medium is the same
		}
		if done > 0 && (len(told) != 2 || why != "") {
			for name, text := range tree(t, at) {
				put(t, kept, name, text)
				os.Remove(filepath.Join(at, name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Abort()
	for len(data) > 0 {
		n := min(len(data), 100_003)
		if _, err := m.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	sets, err := m.Finish(t.Context())
	if err != nil || len(sets) != 2 {
		t.Fatal(sets, err)
	}
	if len(told) != 4 || !strings.Contains(told[2], "x.tar.002 is on it") {
		t.Errorf("asked %q", told)
	}
	for name, text := range tree(t, once) {
		if other := tree(t, kept)[name]; other != text && name != "x.tar.004" {
			t.Errorf("%s is another file", name)
		}
	}
	last := tree(t, at)
	if last["x.tar.004"] != tree(t, once)["x.tar.004"] || last["x.tar.set"] != tree(t, once)["x.tar.set"] ||
		strings.Count(last["x.tar.sha256"], "\n") != 5 {
		t.Errorf("on the last medium: %d files", len(last))
	}
}

// A volume that is not complete does not stay when nobody changes the medium.
func TestMediaGivenUp(t *testing.T) {
	at, gone := t.TempDir(), errors.New("gone")
	m, err := cut.NewMedia(filepath.Join(at, "x.tar"), cut.Options{Volume: mib}, func(int, string) error {
		return gone
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Write(content(2 * mib)); !errors.Is(err, gone) {
		t.Error(err)
	}
	m.Abort()
	if files := tree(t, at); len(files) != 1 || len(files["x.tar.001"]) != mib {
		t.Errorf("%d files are left", len(files))
	}
	if _, err := cut.NewMedia(filepath.Join(at, "x.tar"), cut.Options{Volume: mib}, nil); err == nil ||
		!strings.Contains(err.Error(), "x.tar.001 is on it") {
		t.Error(err)
	}
}
