package layout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// Wild case 35: an index.json never grows beyond what can be read again.
func TestWild35IndexStaysReadable(t *testing.T) {
	for name, rest := range map[string]string{
		"bytes":  `"annotations":{"a":"` + strings.Repeat("x", 64<<20-350) + `"}`,
		"values": `"other":[` + strings.Repeat("1,", 1<<21-20) + `1]`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "images")
			d, err := layout.CreateDir(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			file := filepath.Join(dir, "index.json")
			if err := os.WriteFile(file, []byte(`{"schemaVersion":2,"manifests":[],`+rest+`}`), 0o644); err != nil {
				t.Fatal(err)
			}
			entry := layout.Entry{Tag: "1", Descriptor: v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Size: 3,
				Digest: digest.FromString("abc")}, Name: "docker.io/library/a:1"}
			if err := d.Fits([]layout.Entry{entry, entry, entry, entry, entry, entry}); err != nil {
				t.Fatalf("one entry of a name: %v", err)
			}
			var all []layout.Entry
			for _, n := range []string{"a", "b", "c", "d", "e"} {
				e := entry
				e.Name = "docker.io/library/" + n + ":1"
				all = append(all, e)
			}
			if err := d.Fits(all); err == nil || !strings.Contains(err.Error(), "take another directory") {
				t.Errorf("asked before: %v", err)
			}
			before, _ := os.ReadFile(file)
			if _, err := d.Enter(t.Context(), all); err == nil ||
				!strings.Contains(err.Error(), "take another directory") {
				t.Errorf("entered: %v", err)
			}
			if after, _ := os.ReadFile(file); string(before) != string(after) {
				t.Error("index.json has changed")
			}
			if _, err := d.Enter(t.Context(), all[:1]); err != nil {
				t.Error(err)
			}
			if _, err := d.Images(); err != nil {
				t.Errorf("it cannot be read any more: %.200v", err)
			}
		})
	}
}
