//go:build linux

package interop

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/deflate"
)

// javaSource compresses standard input as jib does.
const javaSource = `import java.util.zip.GZIPOutputStream;
class Z { public static void main(String[] a) throws Exception {
  GZIPOutputStream z = new GZIPOutputStream(System.out); System.in.transferTo(z); z.close(); } }
`

// TestEncoders has the programs of this machine compress a layer, and makes each blob again: from its recipe,
// and by a model alone as push --restore does.
func TestEncoders(t *testing.T) {
	content := debianLayer(t)
	dir := scratch(t)
	java, packed := filepath.Join(dir, "Z.java"), filepath.Join(dir, "packed")
	writeFile(t, java, []byte(javaSource), 0o600)
	python := `python3 -c 'import sys, zlib; c = zlib.compressobj(6, 8, 31); i = sys.stdin.buffer.read()
sys.stdout.buffer.write(c.compress(i) + c.flush())'`
	for _, e := range []struct{ name, command, model string }{
		{"gzip", "gzip -1n", "gzip -1"},
		{"gzip", "gzip -6n", "gzip -6"},
		{"gzip", "gzip -9n", "gzip -9"},
		{"pigz", "pigz -n -p 4", "pigz -6"},
		{"pigz", "pigz --best --no-time -p 4", "pigz -9"}, // Debian's base images
		{"perl", "perl -MCompress::Zlib -e 'undef $/; print Compress::Zlib::memGzip(<>)'", "zlib -9 memLevel 9"},
		{"python3", python, "zlib -6"},
		{"java", "java " + java, "zlib -6"}, // jib
		// Bazel
		{"bsdtar", "bsdtar -czf " + packed + " --options 'gzip:!timestamp' @- && cat " + packed, "zlib -6"},
	} {
		t.Run(e.name+" "+e.model, func(t *testing.T) {
			if _, err := find(e.name); err != nil && e.name == "java" {
				t.Skip("a JDK is too large to be installed for this test alone")
			}
			require(t, e.name)
			i := invocation{argv: []string{"sh", "-c", e.command}, stdin: bytes.NewReader(content), quiet: true}
			remade(t, []byte(i.run(t).ok(t)), e.model)
		})
	}
}

// debianLayer is a layer of a package that every Debian has.
func debianLayer(t *testing.T) []byte {
	t.Helper()
	require(t, "dpkg")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	list := invocation{argv: []string{"dpkg", "-L", "coreutils"}, quiet: true}.run(t).ok(t)
	for _, name := range strings.Fields(list) {
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() || b.Len() > 1<<20 {
			continue
		}
		raw, err := os.ReadFile(name)
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: name[1:], Mode: 0o644, Size: int64(len(raw))})
		}
		if err == nil {
			_, err = w.Write(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// remade makes a blob again, from its recipe and by the model alone.
func remade(t *testing.T, blob []byte, model string) {
	t.Helper()
	var content, recipe bytes.Buffer
	made, err := deflate.Make(t.Context(), bytes.NewReader(blob), &content, &recipe, deflate.MakeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := deflate.Open(bytes.NewReader(recipe.Bytes()), int64(recipe.Len()), &content, made.Unpacked)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	plain := bytes.Clone(content.Bytes())
	raw, err := io.ReadAll(again)
	if err != nil || !bytes.Equal(raw, blob) {
		t.Fatalf("its recipe makes %d other bytes: %v", len(raw), err)
	}
	alone := "not alone"
	for _, e := range deflate.Encoders() {
		if e.Name() != made.Model {
			continue
		}
		var b bytes.Buffer
		e.Header = blob[:10]
		if err := deflate.Compress(t.Context(), e, &b, bytes.NewReader(plain)); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b.Bytes(), blob) {
			alone = "alone"
		}
	}
	share := 100 * float64(made.Recipe) / float64(made.Size)
	t.Logf("%d bytes, %d unpacked: %s, %d corrections, recipe of %d bytes (%.3f %%), %s",
		made.Size, made.Unpacked, made.Model, made.Corrections, made.Recipe, share, alone)
	if words := strings.Fields(made.Model); words[0] == "pgzip" && len(words) == 3 {
		made.Model = words[0] + " " + words[2] // versions differ from system to system
	}
	if made.Model != model || alone != "alone" {
		t.Errorf("%s makes it %s; want %s, alone", made.Model, alone, model)
	}
}
