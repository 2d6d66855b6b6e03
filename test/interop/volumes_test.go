//go:build linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// cutImage is an image whose tar has several volumes.
type cutImage struct {
	ref    string
	config digest.Digest
	layer  digest.Digest
}

func seedCut(t *testing.T) cutImage {
	t.Helper()
	big, err := sample.BuildBig(t.Context(), scratch(t), 40<<20)
	if err != nil {
		t.Fatal(err)
	}
	addr := startRegistry3(t)
	if err := big.Seed(t.Context(), repository(addr, "team/big"), "1"); err != nil {
		t.Fatal(err)
	}
	return cutImage{addr + "/team/big:1", digest.FromBytes(big.Config), big.DiffID}
}

// cut saves the image in volumes, and returns the directory.
func (c cutImage) cut(t *testing.T, more ...string) string {
	t.Helper()
	dir := scratch(t)
	drayage(t, append([]string{"save", c.ref, "-o", filepath.Join(dir, "d.tar"), "--volume-size", "4M"},
		more...)...).ok(t)
	return dir
}

func joining(dir string) invocation {
	return invocation{argv: []string{"sh", "-c", "cat " + dir + "/d.tar.0*"}}
}

// TestEnginesTakeVolumes is `cat d.tar.0* | docker load`, and the same for other engines: volumes are plain
// cuts.
func TestEnginesTakeVolumes(t *testing.T) {
	require(t, "skopeo")
	image := seedCut(t)
	for _, format := range []string{"docker", "oci"} {
		t.Run(format, func(t *testing.T) {
			dir := image.cut(t, "--format", format)
			d := startDocker(t)
			_, loaded := pipe(t, joining(dir), d.command("load"))
			equal(t, "docker load prints", loaded.ok(t), "Loaded image: "+image.ref)
			equal(t, "image ID", d.id(t, image.ref), image.config.String())
			p := newPodman(t)
			_, loaded = pipe(t, joining(dir), p.command("load"))
			loaded.ok(t)
			equal(t, "image ID of podman", p.id(t, image.ref), image.config.String())
			c := startContainerd(t)
			_, loaded = pipe(t, joining(dir), invocation{argv: []string{"ctr", "-a", c.socket, "-n", "drayage",
				"images", "import", "-"}})
			loaded.ok(t)
			c.check(t, image.ref)
			joined := filepath.Join(dir, "joined")
			run(t, "sh", "-c", fmt.Sprintf("cat %s/d.tar.0* >%s", dir, joined))
			transport := map[string]string{"docker": "docker-archive:", "oci": "oci-archive:"}[format]
			config := skopeo(t, "inspect", "--config", "--raw", transport+joined)
			equal(t, "image ID of skopeo", digest.FromString(config), image.config)
		})
	}
}

// TestChecksumIsRead is the habit of SHA256SUMS: sha256sum reads what drayage writes, and verify reads what
// sha256sum writes.
func TestChecksumIsRead(t *testing.T) {
	require(t, "sha256sum")
	image := seedCut(t)
	dir := scratch(t)
	file := filepath.Join(dir, "d.tar")
	drayage(t, "save", image.ref, "-o", file, "--checksum").ok(t)
	check := invocation{argv: []string{"sh", "-c", "cd " + dir + " && sha256sum -c d.tar.sha256"}}
	equal(t, "sha256sum says", check.run(t).ok(t), "d.tar: OK")
	run(t, "sh", "-c", "cd "+dir+" && sha256sum d.tar >d.tar.sha256")
	drayage(t, "verify", file).ok(t)
	hurt(t, file, 5<<20)
	if check.run(t).code == 0 {
		t.Error("sha256sum does not notice a byte")
	}
	equal(t, "exit code of verify", drayage(t, "verify", file).code, 6)
}

// hurt changes one bit.
func hurt(t *testing.T, file string, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// TestPar2OverVolumes: par2 beside a set does no harm, and mends what drayage then finds whole.
func TestPar2OverVolumes(t *testing.T) {
	require(t, "par2")
	dir := seedCut(t).cut(t)
	run(t, "sh", "-c", "cd "+dir+" && par2 create -q -q -s1048576 -c6 d.par2 d.tar.0*")
	drayage(t, "verify", dir).ok(t)
	hurt(t, filepath.Join(dir, "d.tar.002"), 77)
	equal(t, "exit code of verify", drayage(t, "verify", dir).code, 6)
	run(t, "par2", "repair", "-q", "-q", filepath.Join(dir, "d.par2"))
	aside := filepath.Join(dir, "d.tar.002.1") // par2 keeps what it has mended
	out := drayage(t, "verify", dir)
	equal(t, "exit code of verify beside what par2 keeps", out.code, 6)
	if !strings.Contains(out.stderr, aside+" is no volume of d.tar") {
		t.Errorf("verify does not name the stray that cat would take: %s", out.stderr)
	}
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	out = drayage(t, "verify", dir)
	out.ok(t)
	if strings.Contains(out.stderr, "d.par2") {
		t.Errorf("verify speaks of files of par2: %s", out.stderr)
	}
}
