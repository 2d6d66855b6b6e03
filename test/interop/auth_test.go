//go:build linux

package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/sample"
)

// TestFetchWithPassword fetches from a registry that asks for Basic credentials, and lets others read the
// layout.
func TestFetchWithPassword(t *testing.T) {
	require(t, "docker-registry", "umoci", "skopeo")
	image, here := newSample(t, sample.Options{})
	addr := startRegistry2(t, "mary", "a:secret")
	repo := repository(addr, "team/hello")
	repo.User, repo.Password = "mary", "a:secret"
	if err := image.Seed(t.Context(), repo, "1.0"); err != nil {
		t.Fatal(err)
	}
	ref := addr + "/team/hello:1.0"

	for _, creds := range [][]string{nil, {"--creds", "mary:wrong"}} {
		refused := drayage(t, append([]string{"fetch", ref, "-o", filepath.Join(scratch(t), "layout")},
			creds...)...)
		equal(t, "exit code without the password", refused.code, 4)
		if strings.Contains(refused.stderr, "wrong") {
			t.Errorf("the error shows the password: %s", refused.stderr)
		}
	}

	layout := filepath.Join(scratch(t), "layout")
	drayage(t, "fetch", "--creds", "mary:a:secret", ref, "-o", layout).ok(t)
	equal(t, "umoci ls", run(t, "umoci", "ls", "--layout", layout), "1.0")
	equal(t, "digest", rawDigest(t, "oci:"+layout+":1.0"), here.Manifest.Digest)

	push := drayageCommand(t, "push", layout, addr+"/copy/", "--creds", "mary", "--password-stdin")
	push.stdin = strings.NewReader("a:secret\n")
	equal(t, "push prints", push.run(t).ok(t), addr+"/copy/team/hello@"+here.Manifest.Digest.String())
}

// TestUmociUnpacksLayout lets umoci extract the layers, which it checks against their diffIDs.
func TestUmociUnpacksLayout(t *testing.T) {
	requireRoot(t)
	require(t, "umoci")
	image, _ := newSample(t, sample.Options{Text: "Unpacked.\n"})
	ref := seed(t, image, startRegistry3(t), "team/hello", "1.0")
	dir := scratch(t)
	layout, bundle := filepath.Join(dir, "layout"), filepath.Join(dir, "bundle")
	drayage(t, "fetch", ref, "-o", layout).ok(t)
	run(t, "umoci", "unpack", "--image", layout+":1.0", bundle)
	equal(t, "text in the root file system", run(t, "cat", bundle+"/rootfs/carried-by.txt"), "Unpacked.")
}
