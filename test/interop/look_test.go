//go:build linux

package interop

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drayage/test/sample"
)

// seen is what drayage inspect --json shows, as far as skopeo knows of it.
type seen struct {
	Images []struct {
		Digest    string
		Platforms []seenPlatform
	}
}

type seenPlatform struct {
	Digest, ImageID string
	Config          struct{ Env []string }
	Layers          []struct{ Digest string }
}

func (p seenPlatform) layers() (all []string) {
	for _, l := range p.Layers {
		all = append(all, l.Digest)
	}
	return all
}

// TestLooksAsSkopeo looks at the same images with both: in the registry that most people run, in a layout and
// in a saved tar.
func TestLooksAsSkopeo(t *testing.T) {
	require(t, "skopeo", "docker-registry")
	addr := startRegistry2(t, "", "")
	for _, flavour := range []sample.Flavour{sample.OCI, sample.Docker} {
		t.Run(flavour.String(), func(t *testing.T) {
			image, here := newSample(t, sample.Options{Flavour: flavour})
			ref := seed(t, image, addr, "look/"+flavour.String(), "1")
			remote := "docker://" + ref
			equal(t, "index", drayage(t, "manifest", ref).stdoutOf(t),
				skopeo(t, "inspect", "--tls-verify=false", "--raw", remote))
			equal(t, "configuration", drayage(t, "config", ref).stdoutOf(t),
				skopeo(t, "inspect", "--tls-verify=false", "--config", "--raw", remote))
			equal(t, "digest", drayage(t, "digest", ref).ok(t), strings.TrimSuffix(ref, ":1")+"@"+
				here.Manifest.Digest.String())
			equal(t, "digest of the index", drayage(t, "digest", "--list", ref).ok(t), strings.TrimSuffix(ref, ":1")+
				"@"+image.Root.Digest.String())

			dir, tar := filepath.Join(scratch(t), "layout"), filepath.Join(scratch(t), "saved.tar")
			drayage(t, "fetch", ref, "-o", dir).ok(t)
			drayage(t, "save", dir, "-o", tar).ok(t)
			config := drayage(t, "config", dir).stdoutOf(t)
			equal(t, "configuration in the layout", config, drayage(t, "config", ref).stdoutOf(t))
			equal(t, "configuration in the tar", drayage(t, "config", tar).stdoutOf(t), config)
			equal(t, "manifest in the layout", drayage(t, "manifest", dir).stdoutOf(t),
				skopeo(t, "inspect", "--tls-verify=false", "--raw", strings.TrimSuffix(remote, ":1")+"@"+
					here.Manifest.Digest.String()))
			compareWithSkopeo(t, ref, here)
			compareSaved(t, tar, here)
		})
	}
}

// stdoutOf is what a command that succeeded printed, to the byte.
func (o outcome) stdoutOf(t *testing.T) string {
	t.Helper()
	o.ok(t)
	return o.stdout
}

func inspected(t *testing.T, args ...string) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(drayage(t, append([]string{"inspect", "--json"}, args...)...).ok(t)),
		&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func compareWithSkopeo(t *testing.T, ref string, here sample.Platform) {
	t.Helper()
	var theirs struct {
		Digest string
		Env    []string
		Layers []string
	}
	if err := json.Unmarshal([]byte(skopeo(t, "inspect", "--tls-verify=false", "docker://"+ref)),
		&theirs); err != nil {
		t.Fatal(err)
	}
	ours := inspected(t, ref)
	i := slices.IndexFunc(ours.Images[0].Platforms, func(p seenPlatform) bool {
		return p.Digest == here.Manifest.Digest.String()
	})
	if i < 0 {
		t.Fatalf("%s is not shown: %+v", here.Manifest.Digest, ours)
	}
	p := ours.Images[0].Platforms[i]
	equal(t, "digest", ours.Images[0].Digest, theirs.Digest)
	equal(t, "image ID", p.ImageID, here.Config.String())
	equalAll(t, "environment", p.Config.Env, theirs.Env)
	equalAll(t, "layers", p.layers(), theirs.Layers)
}

func compareSaved(t *testing.T, tar string, here sample.Platform) {
	t.Helper()
	p := inspected(t, tar).Images[0].Platforms[0]
	equal(t, "image ID in the tar", p.ImageID, here.Config.String())
	equalAll(t, "layers in the tar", p.layers(), skopeoLayers(t, "docker-archive:"+tar))
}

func TestListsTagsAsSkopeo(t *testing.T) {
	require(t, "skopeo", "docker-registry")
	addr := startRegistry2(t, "", "")
	image, _ := newSample(t, sample.Options{})
	ref := seed(t, image, addr, "tags", "1.9")
	repo := strings.TrimSuffix(ref, ":1.9")
	for _, tag := range []string{"1.10", "latest", "1.10-alpine"} {
		skopeo(t, "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+ref,
			"docker://"+repo+":"+tag)
	}
	equal(t, "tags", drayage(t, "ls", repo).ok(t), "1.9\n1.10\n1.10-alpine\nlatest")
	var theirs struct{ Tags []string }
	if err := json.Unmarshal([]byte(skopeo(t, "list-tags", "--tls-verify=false", "docker://"+repo)),
		&theirs); err != nil {
		t.Fatal(err)
	}
	slices.Sort(theirs.Tags)
	ours := strings.Fields(drayage(t, "ls", "--unsorted", repo).ok(t))
	slices.Sort(ours)
	equalAll(t, "tags", ours, theirs.Tags)
}
