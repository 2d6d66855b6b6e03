//go:build linux

package interop

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestRestore pushes the tars of engines, and wants the digests that the images have in the registry that the
// engines or other tools have pushed them to.
func TestRestore(t *testing.T) {
	b := build(t)
	near, far := startRegistry2(t, "", ""), startRegistry3(t)
	ref := near + "/team/app:1"
	b.run(t, "tag", "child:1", ref)
	b.run(t, "push", ref)
	tar := saveImages(t, b, ref)
	t.Run("docker", func(t *testing.T) { restored(t, tar, near, "team/app", far) })
	t.Run("skopeo", func(t *testing.T) {
		skopeo(t, "copy", "--dest-tls-verify=false", "docker-archive:"+tar, "docker://"+near+"/skopeo:1")
		restored(t, tar, near, "skopeo", far)
	})
	t.Run("podman", func(t *testing.T) {
		p := newPodman(t)
		p.run(t, "load", "-q", "-i", tar)
		p.run(t, "push", "-q", "--tls-verify=false", ref, near+"/podman:1")
		saved := filepath.Join(p.dir, "saved.tar")
		p.run(t, "save", "-q", "-o", saved, ref)
		restored(t, saved, near, "podman", far)
	})
}

// restored pushes a tar by the manifest of an image and by its digest alone, with an empty cache.
func restored(t *testing.T, tar, near, name, far string) {
	t.Helper()
	_, want := readManifest(t, near, name, "1")
	manifest := filepath.Join(scratch(t), "manifest.json")
	raw := drayage(t, "manifest", near+"/"+name+":1").ok(t)
	if err := os.WriteFile(manifest, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	equal(t, "digest of the file", digest.FromString(raw), want)
	for i, known := range []string{manifest, want.String()} {
		to := name + "/" + []string{"manifest", "digest"}[i]
		push := drayageCommand(t, "push", tar, far+"/"+to+":1", "--restore", known)
		push.env = []string{"XDG_CACHE_HOME=" + scratch(t)}
		push.run(t).ok(t)
		_, got := readManifest(t, far, to, "1")
		equal(t, "digest by "+filepath.Base(known), got, want)
		stored, err := repository(far, to).Manifest(t.Context(), "1")
		if err != nil || !bytes.Equal(stored.Raw, []byte(raw)) {
			t.Errorf("the manifest has other bytes: %v", err)
		}
	}
}
