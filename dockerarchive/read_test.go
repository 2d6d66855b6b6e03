package dockerarchive_test

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/internal/compression"
)

// The parts of a small saved tar.
var (
	layerA, layerB = string(tarball(1, 1000)), string(tarball(2, 1000))
	idA, idB       = digest.FromString(layerA), digest.FromString(layerB)
	configAB       = configOf(idA, idB)
	configName     = digest.FromString(configAB).Encoded() + ".json"
)

func configOf(ids ...digest.Digest) string {
	raw, err := json.Marshal(map[string]any{"os": "linux",
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// item is an image in manifest.json.
func item(config string, tags []string, layers ...string) string {
	raw, err := json.Marshal(map[string]any{"Config": config, "RepoTags": tags, "Layers": layers})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func file(name, body string) entry { return entry{Name: name, Body: body} }
func link(name, target string) entry {
	return entry{Name: name, Type: tar.TypeSymlink,
		Link: target}
}
func hard(name, target string) entry { return entry{Name: name, Type: tar.TypeLink, Link: target} }
func dir(name string) entry          { return entry{Name: name, Type: tar.TypeDir} }
func index(items ...string) entry {
	return file("manifest.json", "["+strings.Join(items, ",")+
		"]")
}
func with(base []entry, more ...entry) []entry { return append(slices.Clone(base), more...) }

// standard is an archive without any peculiarity.
var standard = []entry{
	index(item(configName, []string{"alpine:3.20"}, "a/layer.tar", "b/layer.tar")), file(configName, configAB),
	file("a/layer.tar", layerA), file("b/layer.tar", layerB),
}

// TestImages goes through the ways in which tools write saved tars.
func TestImages(t *testing.T) {
	config := file(configName, configAB)
	a, b := file("a/layer.tar", layerA), file("b/layer.tar", layerB)
	usual := index(item(configName, nil, "a/layer.tar", "b/layer.tar"))
	hexA, hexB := idA.Encoded(), idB.Encoded()
	for name, all := range map[string][]entry{
		"standard":      standard,
		"manifest last": {config, b, a, usual},
		"names with ./": {file("./manifest.json", usual.Body), file("./"+configName, configAB),
			dir("./"), dir("./a/"), file("./a/layer.tar", layerA), b},
		"absolute names": {file("/manifest.json", usual.Body), config,
			file("//a//layer.tar", layerA), b},
		"references with ./": {index(item("./"+configName, nil, "./a/layer.tar", "/b/layer.tar")),
			config, a, b},
		"references that go up": {index(item("../../"+configName, nil, "x/../a/layer.tar",
			"../b/layer.tar")), config, a, b},
		"as docker 25 writes": {index(item("blobs/sha256/"+digest.FromString(configAB).Encoded(),
			nil, "blobs/sha256/"+hexA, "blobs/sha256/"+hexB)),
			file("blobs/sha256/"+digest.FromString(configAB).Encoded(), configAB), file("blobs/sha256/"+hexA, layerA),
			file("blobs/sha256/"+hexB, layerB), file("oci-layout", "{}"), file("index.json", "{}")},
		"as kaniko names": {index(item("sha256:"+strings.TrimSuffix(configName, ".json"), nil,
			"a/layer.tar", "b/layer.tar")), file("sha256:"+strings.TrimSuffix(configName, ".json"), configAB), a, b},
		"configuration by no digest": {index(item("config.json", nil, "a/layer.tar", "b/layer.tar")),
			file("config.json", configAB), a, b},
		"a link to a layer": {usual, config, a, link("b/layer.tar", "../c/layer.tar"),
			file("c/layer.tar", layerB)},
		"a link before its target": {usual, config, link("a/layer.tar", "../"+hexA+".tar"),
			link("b/layer.tar", "../"+hexB+".tar"), file(hexA+".tar", layerA), file(hexB+".tar", layerB)},
		"an absolute link": {usual, config, link("a/layer.tar", "/x"), file("x", layerA), b},
		"a link that goes too far up": {usual, config, link("a/layer.tar", "../../../x"), file("x", layerA),
			b},
		"a hard link": {usual, config, hard("a/layer.tar", "x"), file("x", layerA), b},
		"a chain of links": {usual, config, link("a/layer.tar", "1"), link("a/1", "2"),
			hard("a/2", "a/3"), link("a/3", "../x"), file("x", layerA), b},
		"a linked configuration": {usual, link(configName, "c"), file("c", configAB), a, b},
		"equal entries twice":    with(standard, standard...),
		"equal entries, written differently": with(standard, file("./a/layer.tar", layerA),
			file("x/../manifest.json", standard[0].Body)),
		"things of no meaning": with(standard, entry{Name: "pipe", Type: tar.TypeFifo},
			entry{Name: "dev", Type: tar.TypeChar}, link("loop", "loop"), file("a/VERSION", "1.0"),
			file("../../etc/passwd", "root"), file("\x1b[31m", ""), dir("etc")),
		"other names of keys": {file("manifest.json",
			strings.NewReplacer("Config", "config", "Layers", "LAYERS").Replace(usual.Body)), config, a, b},
		"unknown keys": {file("manifest.json", strings.Replace(usual.Body, "{",
			`{"Parent":"x","LayerSources":{"a":{}},`, 1)), config, a, b},
	} {
		got, err := images(archive(t, all...))
		if err != nil || len(got) != 1 || got[0].ID != digest.FromString(configAB) ||
			string(got[0].Config) != configAB || len(got[0].Layers) != 2 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		for i, want := range []string{layerA, layerB} {
			l := got[0].Layers[i]
			content, err := io.ReadAll(l.Open())
			if err != nil || string(content) != want || l.DiffID != digest.FromString(want) ||
				l.Size() != int64(len(want)) {
				t.Errorf("%s: layer %d is wrong: %v", name, i, err)
			}
		}
	}
}

func TestImagesOfSeveral(t *testing.T) {
	configA, configB, none := configOf(idA), configOf(idB, idB), configOf()
	all := archive(t, index(item("2", []string{"b:1"}, "b", "b"),
		item("1", []string{"a", "docker.io/library/a:latest", "a:2"}, "a"), item("3", nil)),
		file("1", configA), file("2", configB), file("3", none), file("a", layerA), file("b", layerB))
	got, err := images(all)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, im := range got {
		lines = append(lines, fmt.Sprint(im.ID == digest.FromBytes(im.Config), im.Names, len(im.Layers)))
	}
	want := []string{"true [docker.io/library/b:1] 2",
		"true [docker.io/library/a:latest docker.io/library/a:2] 1", "true [] 0"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

// TestNamesThatAreNone takes what some writers put among the names: rules_oci an empty one, docker-drag a
// digest.
func TestNamesThatAreNone(t *testing.T) {
	odd, capital := "a:sha256:"+strings.Repeat("0", 64), "bazel/MyImage:\x1b[tag"
	a, err := open(archive(t, with(standard[1:],
		index(item(configName, []string{"", odd, capital, "a:1"}, "a/layer.tar", "b/layer.tar")))...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Contents(t.Context())
	if err != nil || len(c.Saved) != 1 || !slices.Equal(c.Saved[0].Names, []string{"docker.io/library/a:1"}) {
		t.Fatalf("%+v, %v", c, err)
	}
	if len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0].Text, odd) ||
		!strings.Contains(c.Remarks[0].Text, "MyImage") || strings.Contains(c.Remarks[0].Text, "\x1b") ||
		c.Remarks[0].Image != c.Saved[0].ID {
		t.Errorf("said of it: %+v", c.Remarks)
	}
}

func TestNames(t *testing.T) {
	for tag, want := range map[string]string{
		"alpine:3.20": "docker.io/library/alpine:3.20", "alpine": "docker.io/library/alpine:latest",
		"docker.io/a/b:1":    "docker.io/a/b:1",
		"127.0.0.1:5000/a:1": "127.0.0.1:5000/a:1", "ghcr.io/a/b/c:v1": "ghcr.io/a/b/c:v1",
		"Alpine:1": "", "a:sha256:0123": "", "a:SHA256:" + strings.Repeat("0", 64): "", "a:b:c": "",
		"../../x:1": "", "a:1\n": "", "\x1b[31m:1": "", "\xff:1": "", "a/../b:1": "", "-:1": "",
		strings.Repeat("a", 300) + ":1": "",
		"a:" + strings.Repeat("1", 129): "", strings.Repeat("0", 64): "",
	} {
		got, err := images(archive(t, with(standard[1:],
			index(item(configName, []string{tag}, "a/layer.tar", "b/layer.tar")))...))
		names, odd := []string{want}, []string(nil)
		if want == "" {
			names, odd = nil, []string{strings.ToValidUTF8(tag, "\ufffd")} // as JSON has it
		}
		if err != nil || !slices.Equal(got[0].Names, names) || !slices.Equal(got[0].Odd, odd) {
			t.Errorf("%q: %v, %v; want %q", tag, got, err, want)
		}
	}
}

func TestLayerCompression(t *testing.T) {
	for want, body := range map[string]string{
		compression.None: layerA, compression.Gzip: string(gz(t, nil, []byte(layerA))),
		compression.Zstd: string(zstded.pack(t, []byte(layerA))),
	} {
		got, err := images(archive(t, index(item("c", nil, "l")), file("c", configOf(idA)), file("l", body)))
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := got[0].Layers[0].Compression(); err != nil || kind != want {
			t.Errorf("%s: %s, %v", want, kind, err)
		}
		im, err := got[0].Image(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again, err := images(written(t, dockerarchive.Docker, dockerarchive.Options{}, im))
		if err != nil || again[0].ID != got[0].ID {
			t.Errorf("%s, written again: %v, %v", want, again, err)
		}
		if content, err := io.ReadAll(again[0].Layers[0].Open()); err != nil || string(content) != layerA {
			t.Errorf("%s, written again: another layer: %v", want, err)
		}
	}
	got, err := images(archive(t, index(item("c", nil, "l")), file("c", configOf(digest.FromString(""))),
		file("l", "")))
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := got[0].Layers[0].Compression(); err != nil || kind != compression.None {
		t.Errorf("empty layer: %s, %v", kind, err)
	}
}
