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
		"ghcr.ioa__b/c", "my_registry.corp/app:1", "registry.corp_x/app@" + someDigest,
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
		"ftp://corp.test/app": "docker://", "docker://docker://a": "docker://", "App": "no capital",
		"äpp":                               "characters",
		"https://hub.docker.com/search?q=x": "people", "app\x00": "characters",
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

// Errors about names say what is wrong, each in its own way.
func TestWrongNames(t *testing.T) {
	for in, want := range map[string]string{
		"alpine:": "its tag is empty", "@sha256:abc": "no name stands before the digest",
		"alpine@sha256:abc": "64 hexadecimal digits", "Alpine": "no capital letters",
		"corp.test/Team/app:1": "no capital letters", "localhost/App": "no capital letters",
		"corp.test:5000/App@" + someDigest: "no capital letters", "al pine": "a space", "alpine\t:1": "a space",
		"\"alpine": "quotation mark", "alpine`": "quotation mark", "'alpine'": "in quotes", " ": "is empty",
		"alpine,busybox": "comma", "alpine;": "semicolon", "${REGISTRY}/app:1": "variable",
		"app:{{ .Values.tag }}": "variable", "alpine:3.20:1": "two tags", "corp.test:5000/a:1:2": "two tags",
		"alpine:-1": "begins with a letter", "alpine:.1": "begins with a letter",
		someDigest: "a digest alone", someDigest[7:]: "an image ID",
	} {
		_, err := ParseTyped(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), ": ") > 3 {
			t.Errorf("%q: %v; want %q", in, err, want)
		}
	}
	for _, in := range []string{"CORP.TEST/app", "LOCALHOST:5000/app:TAG", "a/b:UPPER",
		"sha256/app:1", "sha256:1"} {
		if _, err := ParseTyped(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Web pages about images are answered with the name of the image.
func TestWebPages(t *testing.T) {
	hub, github, mcr := "https://hub.docker.com/", "https://github.com/", "https://mcr.microsoft.com/"
	quay := "https://quay.io/repository/"
	for in, want := range map[string]string{
		hub + "_/alpine":                                                     "alpine",
		"hub.docker.com/_/alpine/tags?name=3":                                "alpine",
		hub + "r/bitnami/redis":                                              "bitnami/redis",
		hub + "r/bitnami/redis/tags#x":                                       "bitnami/redis",
		hub + "repository/docker/me/a/general":                               "me/a",
		hub + "layers/library/alpine/3.20/images/sha256-abc?context=explore": "alpine:3.20",
		hub + "layers/grafana/grafana/11.0.0/images/sha256-abc":              "grafana/grafana:11.0.0",
		quay + "prometheus/node-exporter?tab=tags":                           "quay.io/prometheus/node-exporter",
		quay + "a/b/c":                                         "quay.io/a/b/c",
		quay + "a/b/manifest/" + someDigest:                    "quay.io/a/b",
		github + "orgs/fluxcd/packages/container/package/flux": "ghcr.io/fluxcd/flux",
		github + "orgs/X/packages/container/a%2Fb/123?tag=1":   "ghcr.io/x/a/b",
		github + "fluxcd/flux2/pkgs/container/flux-cli":        "ghcr.io/fluxcd/flux-cli",
		"https://gallery.ecr.aws/docker/library/alpine":        "public.ecr.aws/docker/library/alpine",
		mcr + "en-us/artifact/mar/dotnet/runtime/tags":         "mcr.microsoft.com/dotnet/runtime",
		mcr + "product/dotnet/sdk/about":                       "mcr.microsoft.com/dotnet/sdk",
		"https://gitlab.com/a/b/container_registry/1":          "registry.gitlab.com/a/b",
		"https://gitlab.com/a/b/-/container_registry":          "registry.gitlab.com/a/b",
	} {
		_, err := ParseTyped(in)
		if err == nil || !strings.HasSuffix(err.Error(), "web page: write "+want) {
			t.Errorf("%q: %v; want %q", in, err, want)
		}
	}
	for _, in := range []string{"quay.io/a/b", "mcr.microsoft.com/dotnet/runtime:8.0", "github.com/a/b"} {
		if _, err := ParseTyped(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}
