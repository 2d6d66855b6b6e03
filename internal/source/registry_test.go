package source

import (
	"os"
	"testing"
)

func TestWild17RegistryOf(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"registry.corp:5000": "registry.corp:5000", "registry.corp": "registry.corp", "localhost": "localhost",
		"localhost:5000": "localhost:5000", "127.0.0.1:5000": "127.0.0.1:5000", "[::1]:5000": "[::1]:5000",
		"registry:5000/": "registry:5000", "https://registry.corp/": "registry.corp",
		"http://registry:5000": "registry:5000", "oci://registry.corp:443": "registry.corp:443",
		"docker.io": "docker.io",
		"alpine":    "", "alpine:3": "", "registry:5000": "", "library/alpine": "", "registry.corp/app": "",
		"registry.corp:5000/app:1": "", "images.tar": "", "./images.d": "", "": "", "/": "", "a.b:c": "",
		"docker://alpine": "", "oci:images": "", "user:pw@registry.corp": "",
	} {
		if got := RegistryOf(text); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
}

func TestFolderOf(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("here.d/images", 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"registry.corp/mirror/": "registry.corp/mirror", "localhost:5000/a/b/": "localhost:5000/a/b",
		"https://registry.corp/a/": "registry.corp/a",
		"registry.corp/":           "", "registry.corp/mirror": "", "mirror/": "", "library/alpine/": "",
		"./a/":           "",
		"here.d/images/": "", "/a.b/c/": "", "registry.corp/a:1/": "", "registry.corp//": "", "": "", "/": "",
	} {
		ref, is := FolderOf(text)
		if is != (want != "") || is && ref.Name() != want {
			t.Errorf("%q means %q, %v, want %q", text, ref.Name(), is, want)
		}
	}
}
