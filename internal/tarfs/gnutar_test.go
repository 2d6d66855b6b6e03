package tarfs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTarred has GNU tar pack a directory, with a hard link and a long name, in the formats that it knows.
func TestTarred(t *testing.T) {
	gnutar(t)
	for _, format := range []string{"v7", "oldgnu", "gnu", "ustar", "posix"} {
		name := strings.Repeat("long", 40)
		if format == "v7" || format == "ustar" {
			name = "short"
		}
		dir := filepath.Join(t.TempDir(), "dir")
		for name, body := range map[string]string{name: "config", "a/layer.tar": bodyA} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(dir, "a/layer.tar"), filepath.Join(dir, "b/layer.tar")); err != nil {
			t.Fatal(err)
		}
		up := filepath.Dir(dir)
		for _, args := range [][]string{
			{"-C", up, "dir"}, {"-C", dir, "."}, {"-C", up, "./dir"}, {"-V", "label", "-C", up, "dir"},
			{"-g", filepath.Join(t.TempDir(), "snapshot"), "-C", up, "dir"},
		} {
			if args[0][1] != 'C' && (format == "v7" || format == "ustar") {
				continue // they have neither labels nor lists of directories
			}
			x, err := openTar(runTar(t, append([]string{"--format", format}, args...)...))
			if err != nil {
				t.Errorf("%s, %q: %v", format, args, err)
				continue
			}
			x.SetRoot(x.Around()[len(x.Around())-1])
			for name, want := range map[string]string{name: "config", "a/layer.tar": bodyA, "b/layer.tar": bodyA} {
				if got, err := x.Read(name, 1<<20); string(got) != want || err != nil {
					t.Errorf("%s, %q: %s has %d bytes, %v", format, args, name, len(got), err)
				}
			}
		}
	}
}

func gnutar(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tar", "--version").Output()
	if err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("tar is not GNU tar")
	}
}

// runTar returns the archive that tar creates.
func runTar(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tar", append([]string{"-c"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tar %q: %v: %s", args, err, stderr.String())
	}
	return out
}
