package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// carried checks that an image of a layout travels byte for byte. A docker tar refuses it by name or, if want
// is empty, takes it.
func (w *wildLayout) carried(t *testing.T, name, want string) {
	t.Helper()
	for _, verb := range []string{"verify", "inspect", "config", "digest", "manifest"} {
		if verb == "config" && name == "charts:1" {
			continue // an index has none
		}
		if stdout, stderr, code := w.run(verb, name); code != 0 || strings.Contains(stderr, "integrity") {
			t.Errorf("%s: %d, %s%s", verb, code, stdout, stderr)
		}
	}
	out := filepath.Join(t.TempDir(), "out.tar")
	if _, stderr, code := w.run("save", name, "-o", out, "--format", "oci"); code != 0 {
		t.Errorf("save --format oci: %d, %s", code, stderr)
	}
	if stdout, stderr, code := command(t, "verify", out); code != 0 {
		t.Errorf("verify of the tar: %d, %s%s", code, stdout, stderr)
	}
	_, stderr, code := w.run("save", name, "-o", out)
	if want == "" && code != 0 || want != "" && (code != exitOther || !strings.Contains(stderr, want) ||
		strings.Contains(stderr, "integrity")) {
		t.Errorf("save --format docker: %d, %s", code, stderr)
	}
}

// Wild case 2: there are more kinds of layers that nobody here can unpack.
func TestWild02OtherSealedLayers(t *testing.T) {
	for suffix, why := range map[string]string{
		"+lz4": `compression "lz4" is not known here`, ".br": `compression "br" is not known here`,
		"+gzip+Encrypted": "is encrypted", "+ZSTD+ENCRYPTED": "is encrypted",
	} {
		t.Run(suffix, func(t *testing.T) {
			w := newWildLayout(t)
			layer := w.put(v1.MediaTypeImageLayer+suffix, []byte("what nobody can read"))
			config := w.putJSON(v1.MediaTypeImageConfig, amd64(digest.FromString("a")))
			w.manifest("sealed:1", v1.MediaTypeImageManifest, config, layer)
			w.carried(t, "sealed:1", why)
			if stdout, _, _ := w.run("inspect", "sealed:1"); !strings.Contains(stdout, why) {
				t.Errorf("inspect does not say it:\n%s", stdout)
			}
		})
	}
}

// Wild cases 3, 4 and 55: a configuration of an image's type may be anything. Only a docker tar needs it.
func TestWild04ConfigurationsThatAreNone(t *testing.T) {
	const none, unusable = "is not a container image", "cannot be unpacked (its configuration cannot be used: "
	for name, c := range map[string]struct {
		raw  string // $ stands for the diff ID
		want string
	}{
		"a list":                 {`[]`, none},
		"a text":                 {`"x"`, none},
		"nothing":                {``, none},
		"null":                   {`null`, none},
		"a platform alone":       {`{"os":"linux","architecture":"amd64"}`, none},
		"no JSON":                {`<html>`, "cannot be unpacked (image configuration is not valid JSON"},
		"a byte order mark":      {"\ufeff" + `{"os":"linux","rootfs":{"diff_ids":["$"]}}`, unusable},
		"UTF-16":                 {"{\x00\"\x00o\x00s\x00\"\x00:\x00\"\x00l\x00\"\x00}\x00", none},
		"a second document":      {`{"os":"linux","rootfs":{"diff_ids":["$"]}}{}`, unusable},
		"too few diff IDs":       {`{"os":"linux","rootfs":{"diff_ids":[]}}`, unusable},
		"too many diff IDs":      {`{"os":"linux","rootfs":{"diff_ids":["$","$"]}}`, unusable},
		"a diff ID that is none": {`{"os":"linux","rootfs":{"diff_ids":["x"]}}`, unusable},
		"diff IDs null":          {`{"os":"linux","rootfs":{"diff_ids":null}}`, unusable},
		"a root that is none":    {`{"os":"linux","rootfs":"x"}`, unusable},

		"the exact spelling counts": {`{"os":"linux","OS":"x","rootfs":{"diff_ids":["$"]},"Rootfs":{"diff_ids":[]}}`, ""},
		"no os":                     {`{"architecture":"amd64","rootfs":{"diff_ids":["$"]}}`, ""},
		"odd types": {`{"os":"linux","architecture":"amd64","variant":7,"os.version":["1"],"created":1e999,` +
			`"history":{"a":null},"config":[],"rootfs":{"type":7,"diff_ids":["$"]}}`, ""},
		"null everywhere": {`{"os":"linux","architecture":null,"created":null,"config":null,"history":null,` +
			`"rootfs":{"type":null,"diff_ids":["$"]}}`, ""},
		"no UTF-8": {"{\"author\":\"\xff\xfe\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"$\"]}}", ""},
		"nested deep": {`{"os":"linux","rootfs":{"diff_ids":["$"]},"x":` + strings.Repeat("[", 9000) +
			strings.Repeat("]", 9000) + `}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWildLayout(t)
			layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
			raw := strings.ReplaceAll(c.raw, "$", diffID.String())
			w.manifest("odd:1", v1.MediaTypeImageManifest, w.put(v1.MediaTypeImageConfig, []byte(raw)), layer)
			w.carried(t, "odd:1", c.want)
		})
	}
}

// Wild case 13: an archive remembers for which platform a manifest was chosen, if its configuration says
// another one.
func TestWild13ChosenPlatformIsRecorded(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	m := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, arch := range []string{"amd64", "arm64"} {
		d := m
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, d)
	}
	w.name("both:1", w.putJSON(v1.MediaTypeImageIndex, index))
	first, second := filepath.Join(t.TempDir(), "1.tar"), filepath.Join(t.TempDir(), "2.tar")
	for p, recorded := range map[string]bool{"linux/amd64": false, "linux/arm64": true} {
		if _, stderr, code := w.run("save", "both:1", "-o", first, "--format", "oci", "--platform", p); code != 0 {
			t.Fatalf("%s: %d, %s", p, code, stderr)
		}
		_, stderr, code := command(t, "save", first, "-o", second, "--format", "oci", "--platform", p)
		if code != 0 {
			t.Errorf("%s again: %d, %s", p, code, stderr)
		}
		for _, file := range []string{first, second} {
			for _, verb := range []string{"inspect", "digest", "manifest", "config"} {
				if _, stderr, code := command(t, verb, file, "--platform", p); code != 0 {
					t.Errorf("%s %s: %d, %s", verb, p, code, stderr)
				}
			}
			raw, err := os.ReadFile(file)
			if err != nil || strings.Contains(string(raw), `"platform"`) != recorded {
				t.Errorf("%s: recorded: %v, %v", p, !recorded, err)
			}
		}
	}
}

// Wild case 14 (go-containerregistry#1173): images for Windows differ in the version of the system only.
func TestWild14VersionsOfWindows(t *testing.T) {
	w := newWildLayout(t)
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, version := range []string{"10.0.17763.1", "10.0.20348.2", "10.0.20348.3"} {
		layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, version)
		config := amd64(diffID)
		config.OS, config.OSVersion = "windows", version
		d := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, config), layer)
		d.Platform = &config.Platform
		d.Platform.OSFeatures = []string{"win32k"}
		index.Manifests = append(index.Manifests, d)
	}
	w.name("nano:1", w.putJSON(v1.MediaTypeImageIndex, index))
	for platform, want := range map[string]struct {
		taken  int
		others []string
	}{
		"windows/amd64":               {0, []string{"10.0.20348.2", "10.0.20348.3"}},
		"windows/amd64:10.0.20348":    {1, []string{"10.0.20348.3"}},
		"windows/amd64:10.0.20348.3":  {2, nil},
		"windows/amd64:10.0.17763":    {0, nil},
		"windows(10.0.20348.3)/amd64": {2, nil},
	} {
		stdout, stderr, code := w.run("digest", "nano:1", "--platform", platform)
		if code != 0 || !strings.Contains(stdout, index.Manifests[want.taken].Digest.String()) {
			t.Errorf("digest %s: %d, %s%s", platform, code, stdout, stderr)
		}
		out := filepath.Join(t.TempDir(), "nano.tar")
		_, saved, code := w.run("save", "nano:1", "--platform", platform, "-o", out)
		if code != 0 {
			t.Errorf("save %s: %d, %s", platform, code, saved)
		}
		for _, notes := range []string{stderr, saved} {
			if strings.Contains(notes, "there is also") != (want.others != nil) {
				t.Errorf("%s: %s", platform, notes)
			}
			for _, o := range want.others {
				if !strings.Contains(notes, "windows/amd64:"+o) {
					t.Errorf("%s does not name %s: %s", platform, o, notes)
				}
			}
		}
	}
	for _, platform := range []string{"windows/amd64:10.0.2034", "windows/amd64:11"} {
		if _, stderr, code := w.run("save", "nano:1", "-o", "-", "--platform", platform); code != exitNotFound ||
			!strings.Contains(stderr, "windows/amd64:10.0.17763.1") {
			t.Errorf("%s: %d, %s", platform, code, stderr)
		}
	}
	for _, platform := range []string{"windows/amd64:", "windows/amd64:../x", "windows/amd64:1:2"} {
		if _, stderr, code := w.run("digest", "nano:1", "--platform", platform); code != exitUsage {
			t.Errorf("%s: %d, %s", platform, code, stderr)
		}
	}
}

// Wild case 29: artifacts beside images, in an index, and as oras gives them platforms.
func TestWild29ArtifactsBesideImages(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	w.manifest("app:1", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
	model := w.put("application/vnd.test.model", []byte("weights"))
	chart := w.manifest("", v1.MediaTypeImageManifest, w.put("application/vnd.test.config", []byte("{}")), model)
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{chart}}
	index.SchemaVersion = 2
	w.name("charts:1", w.putJSON(v1.MediaTypeImageIndex, index))
	file := w.put(v1.MediaTypeImageLayer, []byte("a file that oras has pushed"))
	config := w.put(v1.MediaTypeImageConfig, []byte(`{"architecture":"amd64","os":"linux"}`))
	w.manifest("oras:1", v1.MediaTypeImageManifest, config, file)

	if stdout, stderr, code := w.run("verify", ""); code != 0 {
		t.Errorf("verify: %d, %s%s", code, stdout, stderr)
	}
	out := filepath.Join(t.TempDir(), "out.tar")
	_, stderr, code := w.run("save", "", "-o", out, "--platform", "linux/amd64")
	if code != 0 || !strings.Contains(stderr, "charts:1 is no container image") ||
		!strings.Contains(stderr, "oras:1 is no container image") || !strings.Contains(stderr, "docker load -i") {
		t.Errorf("save of all: %d, %s", code, stderr)
	}
	if stdout, _, _ := command(t, "verify", out); strings.Count(stdout, "\n") != 1 {
		t.Errorf("the docker tar holds:\n%s", stdout)
	}
	for _, name := range []string{"charts:1", "oras:1"} {
		w.carried(t, name, "is not a container image")
		_, stderr, _ := w.run("save", name, "-o", out, "--format", "oci")
		if strings.Contains(stderr, "docker load") || !strings.Contains(stderr, "holds no container image") {
			t.Errorf("save of %s alone advises: %s", name, stderr)
		}
	}
}

// Wild case 55: editors leave a byte order mark, and some tools list one image several times.
func TestWild55ArchivesOfOtherTools(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	w.manifest("app:1", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
	for _, file := range []string{"oci-layout", "index.json"} {
		path := filepath.Join(w.dir.Path(), file)
		raw, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, append([]byte("\ufeff"), raw...), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.carried(t, "app:1", "")

	a := newTwoImages()
	var items []map[string]any
	if err := json.Unmarshal([]byte(a.files["manifest.json"]), &items); err != nil {
		t.Fatal(err)
	}
	again := map[string]any{"Config": items[0]["Config"], "Layers": items[0]["Layers"], "RepoTags": []any{
		"example.com/image:1", "example.com/image:again", 7}}
	raw, err := json.Marshal([]any{items[0], again, again})
	if err != nil {
		t.Fatal(err)
	}
	a.files["manifest.json"] = "\ufeff" + string(raw)
	path := a.write(t)
	if stdout, stderr, code := command(t, "config", path); code != 0 {
		t.Errorf("config: %d, %s%s", code, stdout, stderr)
	}
	if stdout, _, _ := command(t, "inspect", path, "--json"); strings.Count(stdout, `"imageID"`) != 1 ||
		!strings.Contains(stdout, "image:again") {
		t.Errorf("inspect shows:\n%s", stdout)
	}
}

// Manifests and indexes may be odd where moving needs nothing of them.
func TestWild04OddManifests(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	config := w.putJSON(v1.MediaTypeImageConfig, amd64(diffID))
	member := func(d v1.Descriptor, more string) string {
		raw, _ := json.Marshal(d)
		return strings.TrimSuffix(string(raw), "}") + more + "}"
	}
	odd := `,"annotations":{"a":1,"b":"c","b":"d"},"urls":"x","artifactType":2,"data":3,"x":1,"x":2`
	m := w.put(v1.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"mediaType":"`+v1.MediaTypeImageManifest+
		`","config":`+member(config, odd)+`,"layers":[`+member(layer, odd)+`],"annotations":[1],"subject":null,`+
		`"artifactType":null,"manifests":null}`))
	w.name("odd:1", m)
	w.name("index:1", w.put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[`+member(m, odd+
		`,"platform":{"os":"linux","architecture":"amd64","variant":8,"os.version":[]}`)+`],"annotations":7}`)))
	w.name("silent:1", w.put(image.DockerManifestList, []byte(`{"manifests":[`+member(m,
		`,"platform":{"os":"linux","architecture":""}`)+`]}`)))
	for _, name := range []string{"odd:1", "index:1", "silent:1"} {
		w.carried(t, name, "")
		if _, stderr, code := w.run("digest", name, "--platform", "linux/amd64"); code != 0 {
			t.Errorf("%s --platform: %d, %s", name, code, stderr)
		}
	}
}

// Wild case 55: an index and its configurations may tell no platform at all. Its only image is what it means,
// beside attestations and artifacts too (containers/skopeo#901).
func TestWild55OnlyImageOfAnIndex(t *testing.T) {
	for name, platform := range map[string]string{
		"nothing": "", "null": `,"platform":null`, "empty": `,"platform":{"os":"","architecture":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWildLayout(t)
			layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
			config := w.put(v1.MediaTypeImageConfig, []byte(`{"os":null,"rootfs":{"diff_ids":["`+diffID.String()+`"]}}`))
			m := w.manifest("", v1.MediaTypeImageManifest, config, layer)
			chart := w.manifest("", v1.MediaTypeImageManifest, w.put("application/vnd.test.config", []byte("{}")),
				w.put("application/vnd.test.chart", []byte("chart")))
			first, _ := json.Marshal(chart)
			second, _ := json.Marshal(m)
			w.name("only:1", w.put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[`+
				string(first)+`,`+strings.TrimSuffix(string(second), "}")+platform+`}]}`)))
			w.carried(t, "only:1", "")
			_, stderr, _ := w.run("save", "only:1", "-o", filepath.Join(t.TempDir(), "out.tar"))
			if !strings.Contains(stderr, "note: 1 artifact ") { // the chart, and not the image
				t.Errorf("what stays behind: %s", stderr)
			}
			if stdout, stderr, code := w.run("config", "only:1"); code != 0 || !strings.Contains(stdout, "diff_ids") {
				t.Errorf("config: %d, %s%s", code, stdout, stderr)
			}
		})
	}
	w := newWildLayout(t)
	w.name("empty:1", w.put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`)))
	if _, stderr, code := w.run("save", "empty:1", "-o", "-"); code != exitNotFound ||
		!strings.Contains(stderr, "it has: none") {
		t.Errorf("save of an empty index: %d, %s", code, stderr)
	}
}

// Wild case 14: the versions that Homebrew gives its bottles have a space.
// A list may leave out the versions, and may have two images for one platform.
func TestWild14SeveralForOnePlatform(t *testing.T) {
	w := newWildLayout(t)
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	for _, version := range []string{"10.0.17763.1", "10.0.20348.2"} {
		layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, version)
		config := amd64(diffID)
		config.OS, config.OSVersion = "windows", version
		d := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, config), layer)
		d.Platform = &v1.Platform{OS: "windows", Architecture: "amd64"}
		index.Manifests = append(index.Manifests, d)
	}
	index.Manifests = append(index.Manifests, index.Manifests[0])
	w.name("nano:1", w.putJSON(v1.MediaTypeImageIndex, index))
	other := index.Manifests[1].Digest.String()
	for _, args := range [][]string{
		{"digest", "nano:1"}, {"save", "nano:1", "-o", filepath.Join(t.TempDir(), "a.tar")},
		{"save", "nano:1", "-o", filepath.Join(t.TempDir(), "a.tar"), "--format", "oci"},
	} {
		_, stderr, code := w.run(args[0], args[1], append(args[2:], "--platform", "windows/amd64")...)
		if code != 0 || !strings.Contains(stderr, "the first for windows/amd64; there is also "+other+": in a") {
			t.Errorf("%q: %d, %s", args, code, stderr)
		}
	}
}

func TestWild14VersionsWithSpaces(t *testing.T) {
	w := newWildLayout(t)
	var all []v1.Descriptor
	for _, version := range []string{"macOS 13", "macOS 14"} {
		layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, version)
		config := amd64(diffID)
		config.OS, config.OSVersion = "darwin", version
		d := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, config), layer)
		d.Platform = &config.Platform
		all = append(all, d)
	}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: all}
	w.name("bottle:1", w.putJSON(v1.MediaTypeImageIndex, index))
	stdout, stderr, code := w.run("digest", "bottle:1", "--platform", "darwin/amd64:macOS 14")
	if code != 0 || !strings.Contains(stdout, all[1].Digest.String()) {
		t.Errorf("%d, %s%s", code, stdout, stderr)
	}
}
