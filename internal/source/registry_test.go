package source

import "testing"

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
