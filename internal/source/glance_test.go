package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGlance(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const entry = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:` +
		`44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","annotations":` +
		`{"io.containerd.image.name":"docker.io/library/alpine:3.20"}}`
	write("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
	write("index.json", `{"schemaVersion":2,"manifests":[`+entry+`]}`)
	if got, want := Glance(dir), []string{"docker.io/library/alpine:3.20"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	write("index.json", `{"schemaVersion":2,"manifests":[`+entry+`]}`+strings.Repeat(" ", maxGlance))
	if got := Glance(dir); got != nil {
		t.Errorf("%q of an index.json that is too large", got)
	}
	if err := os.Remove(filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "index.json"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := Glance(dir); got != nil {
		t.Errorf("%q of a directory in the place of index.json", got)
	}
	if got := Glance("nothing"); got != nil {
		t.Errorf("%q of nothing", got)
	}
}
