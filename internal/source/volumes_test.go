package source_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/internal/verify"
	"drayage/internal/volume"
	"drayage/internal/volumetest"
	"drayage/registry"
)

// inVolumes writes an archive in volumes, and returns the path of its set file.
func inVolumes(t *testing.T, size int64) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(file, dockerTar(t, false), 0o644); err != nil {
		t.Fatal(err)
	}
	return volumetest.Cut(t, file, size, 1)
}

// tryOpen opens a SOURCE as it is typed, and returns what images it has.
func tryOpen(t *testing.T, text string, opts source.Options) (string, error) {
	t.Helper()
	spec, err := source.Parse(text, registry.ParseReference)
	if err != nil {
		return "", err
	}
	set, err := spec.Open(t.Context(), opts)
	if err != nil {
		return "", err
	}
	defer set.Close()
	return source.Labels(set.Images), nil
}

func TestVolumesByAnyOfThem(t *testing.T) {
	set := inVolumes(t, 4<<20)
	dir := filepath.Dir(set)
	for _, text := range []string{set, dir, dir + "/x.tar.001", dir + "/x.tar.003", dir + "/x.tar.p01",
		"docker-archive:" + set + ":app:1", "docker-archive:" + dir + "/x.tar.002:app:1", dir + "/x.tar"} {
		if got, err := tryOpen(t, text, source.Options{}); got != "docker.io/library/app:1" {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "x.tar.001")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{set, dir, dir + "/x.tar.001", dir + "/x.tar"} {
		if _, err := tryOpen(t, text, source.Options{}); !errors.Is(err, volume.ErrMissing) ||
			!strings.Contains(err.Error(), "volume 1 of 3 (x.tar.001) is missing") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is described behind a gap is found if the gap lies within a layer.
func TestVolumesWithAGap(t *testing.T) {
	set := inVolumes(t, 4<<20)
	for _, c := range []struct{ remove, images string }{
		{"x.tar.002", "docker.io/library/app:1"}, {"x.tar.003", ""},
	} {
		if err := os.Remove(filepath.Join(filepath.Dir(set), c.remove)); err != nil {
			t.Fatal(err)
		}
		opts := source.Options{Partial: true, Tolerant: true}
		if got, err := tryOpen(t, set, opts); got != c.images || err != nil {
			t.Errorf("without %s: %q, %v", c.remove, got, err)
		}
	}
}

// Nothing of a set file is parsed before it is trusted.
func TestTrust(t *testing.T) {
	set := inVolumes(t, 4<<20)
	raw, err := os.ReadFile(set)
	if err != nil {
		t.Fatal(err)
	}
	untrusted := errors.New("not trusted")
	var told []string
	trust := func(answer error) source.Options {
		return source.Options{Trust: func(file string, content []byte) error {
			told = append(told, file, string(content))
			return answer
		}}
	}
	if _, err := tryOpen(t, set, trust(untrusted)); !errors.Is(err, untrusted) {
		t.Error(err)
	}
	if len(told) != 2 || told[0] != set || told[1] != string(raw) {
		t.Errorf("it was told %.100q", told)
	}
	if got, err := tryOpen(t, filepath.Dir(set), trust(nil)); got != "docker.io/library/app:1" {
		t.Error(got, err)
	}
	if err := os.WriteFile(set, []byte("{no set file"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, set, trust(untrusted)); !errors.Is(err, untrusted) {
		t.Errorf("the set file was parsed: %v", err)
	}
	if _, err := tryOpen(t, set, trust(nil)); !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("a damaged set file: %v", err)
	}
	if _, err := tryOpen(t, "-", trust(nil)); !errors.As(err, new(*usage.Error)) {
		t.Errorf("standard input: %v", err)
	}
}

// An archive in one piece may have a set file, of itself or of volumes that were joined since. It counts only
// if a signature is asked for.
func TestSetFileOfOnePiece(t *testing.T) {
	for name, size := range map[string]int64{"one piece": 0, "joined": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			set := inVolumes(t, size)
			file := strings.TrimSuffix(set, volume.SetSuffix)
			archive := dockerTar(t, false)
			if err := os.WriteFile(file, archive, 0o644); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= 3 && size > 0; i++ {
				if err := os.Remove(file + ".00" + string(rune('0'+i))); err != nil {
					t.Fatal(err)
				}
			}
			trust := source.Options{Trust: func(string, []byte) error { return nil }}
			if got, err := tryOpen(t, file, trust); got != "docker.io/library/app:1" {
				t.Error(got, err)
			}
			archive[len(archive)-2000] ^= 1
			if err := os.WriteFile(file, archive, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := tryOpen(t, file, trust); !errors.Is(err, verify.ErrMismatch) {
				t.Errorf("a byte is wrong: %v", err)
			}
			if err := os.Remove(set); err != nil {
				t.Fatal(err)
			}
			if _, err := tryOpen(t, file, trust); !errors.Is(err, verify.ErrMismatch) ||
				!strings.Contains(err.Error(), "there is no set file") {
				t.Errorf("no set file: %v", err)
			}
		})
	}
}

// A set file is found among very many files.
func TestSetFileAmongMany(t *testing.T) {
	set := inVolumes(t, 4<<20)
	for i := range 12_000 {
		name := filepath.Join(filepath.Dir(set), fmt.Sprintf("%05d", i))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := tryOpen(t, filepath.Dir(set), source.Options{}); got != "docker.io/library/app:1" {
		t.Error(got, err)
	}
}
