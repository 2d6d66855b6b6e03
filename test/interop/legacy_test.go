//go:build linux

package interop

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drayage/internal/schema1test"
)

// writeLegacy writes a tar as Docker saved it before 1.10: of each image its layer directories, and the names
// of those that have a name.
func writeLegacy(t *testing.T, path string, images map[string][]oldLayer, named func(name string) bool) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, content []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	repositories := map[string]map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		var parent string
		for i, l := range images[name] {
			id := schema1test.ID(1000*len(repositories) + i)
			f := maps.Clone(l.fields)
			f["id"] = id
			delete(f, "parent")
			if parent != "" {
				f["parent"] = parent
			}
			raw, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			put(id+"/VERSION", []byte("1.0"))
			put(id+"/json", raw)
			put(id+"/layer.tar", l.stored)
			parent = id
		}
		repositories[name] = map[string]string{"1": parent, "latest": parent}
		if !named(name) {
			repositories[name] = map[string]string{}
		}
	}
	raw, err := json.Marshal(repositories)
	if err != nil {
		t.Fatal(err)
	}
	put("repositories", raw)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b.Bytes(), 0o644)
}

// TestLegacyArchive compares the images that drayage finds in a tar of a Docker before 1.10 with those that
// Docker 20.10, which still loads such tars, makes of it: the IDs are the same, of the image without a name
// too.
func TestLegacyArchive(t *testing.T) {
	requireDocker(t)
	images := oldImages(t)
	path := filepath.Join(scratch(t), "old.tar")
	writeLegacy(t, path, images, func(name string) bool { return name != "docker1.6" })
	theirs, ours := startDocker(t), startDocker(t)
	theirs.run(t, "load", "-i", path)

	saved, pushed := filepath.Join(scratch(t), "saved.tar"), startRegistry3(t)
	drayage(t, "save", path, "-o", saved).ok(t)
	ours.run(t, "load", "-i", saved)
	equalAll(t, "names", ours.names(t), theirs.names(t))
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if name == "docker1.6" {
			continue
		}
		id := theirs.id(t, name+":1")
		equal(t, "image ID of "+name, ours.id(t, name+":1"), id)
		equal(t, "image ID of "+name+":latest", ours.id(t, name+":latest"), id)
		equal(t, "docker run prints", ours.start(t, name+":latest"), name)
		drayage(t, "push", "docker-archive:"+path+":"+name, pushed+"/"+name+":1").ok(t)
		m, _ := readManifest(t, pushed, name, "1")
		equal(t, "image ID in the registry", m.Config.Digest.String(), id)
	}

	var listed struct {
		Images []struct{ Platforms []struct{ ImageID string } }
	}
	if err := json.Unmarshal([]byte(drayage(t, "inspect", "--json", path).ok(t)), &listed); err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(theirs.run(t, "images", "-aq", "--no-trunc"))
	for _, im := range listed.Images {
		if !slices.Contains(all, im.Platforms[0].ImageID) {
			t.Errorf("docker has no image %s", im.Platforms[0].ImageID)
		}
	}
	if len(listed.Images) != len(images) {
		t.Errorf("%d images, want %d", len(listed.Images), len(images))
	}
	equal(t, "docker run prints", ours.start(t, listed.Images[len(listed.Images)-1].Platforms[0].ImageID),
		"docker1.6")
}
