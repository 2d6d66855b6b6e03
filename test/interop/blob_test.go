//go:build linux

package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/sample"
)

// TestLooksWithoutPulling looks at an image in distribution 3 with everything there is for it, compares with
// skopeo where that can, and downloads no layer.
func TestLooksWithoutPulling(t *testing.T) {
	require(t, "skopeo")
	image, here := newSample(t, sample.Options{})
	var traffic meter.Meter
	addr := startRegistry(t, registry3.Options{Wrap: traffic.Wrap}).Addr()
	ref := seed(t, image, addr, "team/app", "1")
	stored, _ := readManifest(t, addr, "team/app", here.Manifest.Digest.String())
	remote := []string{"inspect", "--tls-verify=false", "docker://" + ref}
	index, config := skopeo(t, append(remote, "--raw")...), skopeo(t, append(remote, "--config", "--raw")...)
	var theirs struct{ Layers []string }
	if err := json.Unmarshal([]byte(skopeo(t, remote...)), &theirs); err != nil {
		t.Fatal(err)
	}
	traffic.Take()

	equal(t, "manifest", drayage(t, "manifest", ref).stdoutOf(t), index)
	equal(t, "config", drayage(t, "config", ref).stdoutOf(t), config)
	equal(t, "digest", drayage(t, "digest", ref).ok(t), addr+"/team/app@"+here.Manifest.Digest.String())
	equal(t, "digest --list", drayage(t, "digest", "--list", ref).ok(t),
		addr+"/team/app@"+image.Root.Digest.String())
	equal(t, "ls", drayage(t, "ls", addr+"/team/app").ok(t), "1")
	compareWithSkopeo(t, ref, here)
	most := int64(len(config)) * int64(2*len(image.Platforms)+2) // configurations only
	if got := traffic.Take(); got.ReadBytes > most {
		t.Errorf("%d bytes of blobs were read, and all configurations together are below %d", got.ReadBytes, most)
	}

	for i, layer := range stored.Layers {
		equal(t, "layer", layer.Digest.String(), theirs.Layers[i])
		file := filepath.Join(scratch(t), "layer.tar.gz")
		drayage(t, "blob", addr+"/team/app@"+layer.Digest.String(), "-o", file).ok(t)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "digest of the file", digest.FromBytes(content), layer.Digest)
		equal(t, "blob to standard output", drayage(t, "blob", addr+"/team/app@"+layer.Digest.String()).stdoutOf(t),
			string(content))
	}
	absent := drayage(t, "blob", addr+"/team/app@"+digest.FromString("nothing").String(), "-o",
		filepath.Join(scratch(t), "none"))
	equal(t, "exit code for a blob that is not there", absent.code, 3)
}
