package source_test

import (
	"os"
	"strings"
	"testing"

	"drayage/internal/source"
)

func TestParseOutput(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"there", "a:b", "rel.tar"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]source.Output{
		"images": {Path: "images"}, "-": {Path: "-"}, "a.tar": {Path: "a.tar"}, "./oci:x": {Path: "./oci:x"},
		"C:\\x\\a.tar": {Path: "C:\\x\\a.tar"}, "strange:x": {Path: "strange:x"}, "a:b": {Path: "a:b"},
		"oci:imgs": {Form: source.LayoutDir, Path: "imgs"}, "oci:./imgs": {Form: source.LayoutDir, Path: "./imgs"},
		"oci:C:\\x":                {Form: source.LayoutDir, Path: "C:\\x"},
		"oci:C:/x y:alpine:1":      {Form: source.LayoutDir, Path: "C:/x y", Name: "alpine:1"},
		"oci:there:alpine:3.20":    {Form: source.LayoutDir, Path: "there", Name: "alpine:3.20"},
		"oci:a:b:app:1":            {Form: source.LayoutDir, Path: "a:b", Name: "app:1"},
		"oci:///abs/dir":           {Form: source.LayoutDir, Path: "/abs/dir"},
		"oci-layout:///C:/x":       {Form: source.LayoutDir, Path: "C:/x"},
		"ocidir://./rel":           {Form: source.LayoutDir, Path: "./rel"},
		"oci-archive:z.tar":        {Form: source.OCITar, Path: "z.tar"},
		"oci-archive:-":            {Form: source.OCITar, Path: "-"},
		"docker-archive:d.tar:a:1": {Form: source.DockerTar, Path: "d.tar", Name: "a:1"},
		"docker-archive:/dev/null": {Form: source.DockerTar, Path: "/dev/null"},
		"file:x.tar":               {Path: "x.tar"},
		"file:///x.tar":            {Path: "/x.tar"},
	} {
		want.Text = text
		if got, err := source.ParseOutput(text); err != nil || got != want {
			t.Errorf("%q: %+v, want %+v (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]string{
		"oci:": "no path", "oci-archive:": "no path", "oci://corp.test/x": "as in oci:corp.test/x",
		"dir:x": "oci:DIR", "docker-daemon:a:1": "docker load", "containers-storage:a": "podman load",
		"docker://corp/x": "drayage push", "https://u:secret@corp/x": "drayage push",
	} {
		_, err := source.ParseOutput(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestOutputByItsName(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("rel.tar", 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct {
		kind string
		tar  bool
	}{
		"x": {"", false}, "x.tar": {"", true}, "rel.tar": {"", false}, "oci:x.tar": {"", false}, "-": {"", true},
		"x.tar.gz": {"gzip", true}, "x.TGZ": {"gzip", true}, "x.gz": {"gzip", true}, "./images": {"", false},
		"x.tar.zst": {"zstd", true}, "x.zst": {"zstd", true}, "oci-archive:x.tzst": {"zstd", true},
		"docker-archive:x": {"", true}, "images.v1.2": {"", false},
		"x.tar.xz": {"error", true}, "x.zip": {"error", true},
	} {
		o, err := source.ParseOutput(text)
		if err != nil {
			t.Fatal(err)
		}
		kind, err := o.Compression()
		if err != nil {
			kind = "error"
		}
		if string(kind) != want.kind || o.IsTar() != want.tar {
			t.Errorf("%q: %q, a tar: %v; want %+v (%v)", text, kind, o.IsTar(), want, err)
		}
	}
}
