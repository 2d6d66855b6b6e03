package registry

import (
	"strings"
	"testing"
)

const someDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParseReference(t *testing.T) {
	for in, want := range map[string]Reference{
		"alpine":                           {"docker.io", "library/alpine", "latest", ""},
		"alpine:3.20":                      {"docker.io", "library/alpine", "3.20", ""},
		"docker.io/alpine":                 {"docker.io", "library/alpine", "latest", ""},
		"index.docker.io/alpine":           {"docker.io", "library/alpine", "latest", ""},
		"grafana/loki:2.9":                 {"docker.io", "grafana/loki", "2.9", ""},
		"docker://grafana/loki:2.9":        {"docker.io", "grafana/loki", "2.9", ""},
		"ghcr.io/a/b/c/d:v1":               {"ghcr.io", "a/b/c/d", "v1", ""},
		"localhost/app":                    {"localhost", "app", "latest", ""},
		"localhost:5000/app":               {"localhost:5000", "app", "latest", ""},
		"127.0.0.1:5000/library/app:1":     {"127.0.0.1:5000", "library/app", "1", ""},
		"oci://registry.example/a/b:1":     {"registry.example", "a/b", "1", ""}, // wild case 18 from here
		"oci://corp/app:1":                 {"corp:443", "app", "1", ""},
		"oci://localhost/app:1":            {"localhost", "app", "1", ""},
		"https://registry.example/app:1":   {"registry.example", "app", "1", ""},
		"HTTPS://registry.example:5/app":   {"registry.example:5", "app", "latest", ""},
		"http://corp/app":                  {"corp:80", "app", "latest", ""},
		"docker://alpine":                  {"docker.io", "library/alpine", "latest", ""},
		"[::1]:5000/app:1":                 {"[::1]:5000", "app", "1", ""},
		"[fd00::1]/app":                    {"[fd00::1]", "app", "latest", ""},
		"registry.example:443/app":         {"registry.example:443", "app", "latest", ""},
		"Registry.Example/app":             {"Registry.Example", "app", "latest", ""},
		"UPPER/app":                        {"UPPER", "app", "latest", ""},
		"app@" + someDigest:                {"docker.io", "library/app", "", someDigest},
		"ghcr.io/a/b:1.2@" + someDigest:    {"ghcr.io", "a/b", "1.2", someDigest},
		"localhost:5000/a:1@" + someDigest: {"localhost:5000", "a", "1", someDigest},
	} {
		t.Run(in, func(t *testing.T) {
			got, err := ParseReference(in)
			if err != nil || got != want {
				t.Fatalf("%+v, %v; want %+v", got, err, want)
			}
			if again, err := ParseReference(got.String()); err != nil || again != got {
				t.Errorf("%s reads back as %+v, %v", got, again, err)
			}
		})
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "docker://", "oci://", "https:///app", "https://registry.example",
		"docker://docker://alpine", "/app", "app/", "a//b",
		"App", "docker.io/Library/alpine",
		"registry.example/UPPER", "app:", "app:ta g", "app:-1", "app:" +
			strings.Repeat("t", 129), "app@", "app@sha256:abc", "app@sha256:" + strings.Repeat("G", 64),
		"app@md5:d41d8cd98f00b204e9800998ecf8427e", "app@sha384:" +
			strings.Repeat("0", 96), "registry.example:port/app", "::1/app", "[::1/app",
		"../etc/passwd", "registry.example/../../etc", "registry.example/a/./b", `registry.example\a`, "app?x=1",
		"app#x", "user@registry.example/app", "a:b@c:d/app",
		"app\n", "app\x00", "app\x1b[31m", "äpp", "registry.example/" + strings.Repeat("a/", 200) +
			"a", strings.Repeat("0", 64),
	} {
		got, err := ParseReference(in)
		if err == nil {
			t.Errorf("%q is read as %+v", in, got)
			continue
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\x00\x1b") {
			t.Errorf("%q: the error holds control characters: %q", in, text)
		}
	}
}

// Wild case 18: names in the spellings of other tools, and of people who paste.
func TestWild18TypedNames(t *testing.T) {
	for in, want := range map[string]string{
		" alpine:3.20\n":                           "docker.io/library/alpine:3.20",
		"docker:27":                                "docker.io/library/docker:27",
		"registry:2":                               "docker.io/library/registry:2",
		"corp.test/app.tar":                        "corp.test/app.tar:latest",
		"LOCALHOST:5000/app:1@" + someDigest:       "LOCALHOST:5000/app:1@" + someDigest,
		"https://[fd00::1]:5000/a/b@" + someDigest: "[fd00::1]:5000/a/b@" + someDigest,
	} {
		if got, err := ParseTyped(in); err != nil || got.String() != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "", "-": "", `"alpine"`: "quotes", "'alpine": "", "docker:alpine:3": "docker://NAME",
		"registry:corp.test/app:1": "NAME alone", "docker-daemon:app": "docker save", "oci:dir": "directory",
		"containers-storage:app": "podman save", "images.tgz": "like a file", "all.tar.zst": "like a file",
		"./images": "path", `C:\images`: "path", "C:/images": "path", "/images": "path", "~/images": "path",
		"app: 1": "space", "corp.test/app?tab=tags": "web page", "corp.test/app#readme": "web page",
		"::1:5000/app": "brackets", "fd00::1/app": "brackets", "a//b": "two slashes", "app/": "slash",
		"app:": "tag is empty", "app:@" + someDigest: "tag is empty", "app:1.0+2": "Helm",
		"app:" + strings.Repeat("t", 129): "longer", "app@sha256:abc": "digest", "app@1.0": "digest",
		"ftp://corp.test/app": "docker://", "docker://docker://a": "docker://", "App": "lowercase",
		"äpp":                             "characters",
		"https://hub.docker.com/_/alpine": "people", "app\x00": "characters",
	} {
		got, err := ParseTyped(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %q", in, got, err, want)
		}
	}
}

func TestRecorded(t *testing.T) {
	for in, want := range map[string]string{
		"alpine": "docker.io/library/alpine:latest", "a/b:1@" + someDigest: "docker.io/a/b:1",
		"a/b@" + someDigest: "docker.io/a/b@" + someDigest,
	} {
		if r, err := ParseReference(in); err != nil || r.Recorded() != want {
			t.Errorf("%s: %q, want %q (%v)", in, r.Recorded(), want, err)
		}
	}
}

func TestReferenceForms(t *testing.T) {
	for in, want := range map[string][4]string{
		"alpine:3.20": {"docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20", "3.20",
			"docker.io/library/alpine"},
		"alpine@" + someDigest: {"docker.io/library/alpine@" + someDigest, "", someDigest,
			"docker.io/library/alpine"},
		"a/b:1@" + someDigest: {"docker.io/a/b:1@" + someDigest, "docker.io/a/b:1", someDigest, "docker.io/a/b"},
	} {
		r, err := ParseReference(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := [4]string{r.String(), r.Tagged(), r.Target(), r.Name()}; got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
