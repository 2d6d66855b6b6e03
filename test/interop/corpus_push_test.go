//go:build linux

package interop

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"drayage/test/corpus"
)

// pulledByDocker are archives of each generation and kind, which Docker also pulls after the push.
var pulledByDocker = []string{
	"docker-1.9.tar", "docker-20.10-twice.tar", "docker-25.0.0.tar", "docker-29-dangling.tar",
	"buildkit-oci.tar", "kaniko.tar", "oci-estargz.tar", "retar-sparse.tar",
}

// TestCorpusPushed pushes every image of every archive into a registry, from which skopeo copies it and
// Docker pulls some.
func TestCorpusPushed(t *testing.T) {
	requireDocker(t)
	require(t, "skopeo")
	known, err := corpus.Read(corpus.Dir)
	if err != nil {
		t.Fatal(err)
	}
	addr, d, pulled := startRegistry3(t), startDocker(t), 0
	for i, a := range known {
		for j, im := range a.Images {
			ref := fmt.Sprintf("%s/corpus/%d-%d:1", addr, i, j)
			push := drayageCommand(t, "push", chosen(inCorpus(t, a.File), a, im), ref)
			push.quiet = true
			push.run(t).ok(t)
			want := here(im)
			got, err := skopeoCopies(t, "docker://"+ref, "--src-tls-verify=false")
			if err != nil || !same(got, want, true) {
				t.Errorf("%s: skopeo copies\n      %v, %v\nfrom the registry, pushed was\n      %v", a.File, got, err,
					want)
			}
			if slices.Contains(pulledByDocker, a.File) {
				pulled++
				d.run(t, "pull", "-q", ref)
				equal(t, a.File+": image ID after docker pull", d.id(t, ref), want.id.String())
			}
		}
	}
	equal(t, "archives that Docker pulled images of", pulled, len(pulledByDocker))
}

// chosen is the argument that means one image of an archive.
func chosen(file string, a corpus.Archive, im corpus.Image) string {
	switch {
	case len(im.Names) > 0 && len(a.Images)+len(im.Names) > 2:
		return "docker-archive:" + file + ":" + im.Names[0]
	case len(a.Images) > 1:
		return "docker-archive:" + file + ":" + im.Platforms[0].ID.String()
	}
	return file
}

// here is what an image is on this machine, or the only one that it is.
func here(im corpus.Image) loaded {
	p := im.Platforms[0]
	for _, other := range im.Platforms {
		if other.Platform == "linux/"+runtime.GOARCH {
			p = other
		}
	}
	return loaded{id: p.ID, diffIDs: p.DiffIDs}
}
