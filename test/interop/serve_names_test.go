//go:build linux

package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// TestServeNames pulls by the names that clients make of one image of Docker Hub, and of images whose paths
// end alike.
func TestServeNames(t *testing.T) {
	requireDocker(t)
	origin, layout := startRegistry3(t), filepath.Join(scratch(t), "layout")
	image, here := newSample(t, sample.Options{Text: "names\n"})
	other, _ := newSample(t, sample.Options{Text: "another of that name\n"})
	for from, name := range map[string]string{
		seed(t, image, origin, "hub", "1"):    "docker.io/library/hello:1",
		seed(t, image, origin, "quay", "1"):   "quay.example/team/app:1",
		seed(t, other, origin, "corp", "1"):   "registry.corp/other/app:1",
		seed(t, other, origin, "corp", "two"): "registry.corp:5000/other/only:1",
	} {
		drayage(t, "fetch", from, "-o", layout, "--platform", "all").ok(t)
		drayage(t, "tag", "oci:"+layout+":"+from, name).ok(t)
		drayage(t, "rm", "oci:"+layout+":"+from).ok(t)
	}
	s := startServe(t, layout)
	d, c := startDocker(t), startContainerd(t)
	for _, name := range []string{"hello", "library/hello", "docker.io/library/hello", "team/app",
		"quay.example/team/app"} {
		ref := s.addr + "/" + name + ":1"
		d.run(t, "pull", ref)
		equal(t, "image ID of "+name, d.id(t, ref), here.Config.String())
	}
	refused := d.command("pull", s.addr+"/app:1").run(t)
	if refused.code == 0 {
		t.Errorf("pulled app, which may be two images")
	}
	said := invocation{argv: []string{"skopeo", "inspect", "--raw", "--tls-verify=false", "docker://" + s.addr +
		"/app:1"}}.run(t)
	for _, choice := range []string{"quay.example/team/app", "registry.corp/other/app"} {
		if !strings.Contains(said.stderr, choice) {
			t.Errorf("skopeo does not show the choice %s: %s", choice, said.stderr)
		}
	}
	// containerd asks a mirror by the path at the registry, and names the registry beside it.
	hosts := scratch(t)
	for _, registry := range []string{"docker.io", "quay.example", "registry.corp", "registry.corp_5000_"} {
		home(hosts).write(t, registry+"/hosts.toml", []byte("[host.\"http://"+s.addr+"\"]\n"+
			"  capabilities = [\"pull\", \"resolve\"]\n"))
	}
	pull := func(ref string) invocation {
		return invocation{argv: []string{"ctr", "-a", c.socket, "-n", "drayage", "images", "pull", "--hosts-dir",
			hosts, ref}}
	}
	for ref, want := range map[string]string{
		"docker.io/library/hello:1":       image.Root.Digest.String(),
		"quay.example/team/app:1":         image.Root.Digest.String(),
		"registry.corp/other/app:1":       other.Root.Digest.String(),
		"registry.corp:5000/other/only:1": other.Root.Digest.String(),
	} {
		pull(ref).run(t).ok(t)
		if row := c.ctr(t, "images", "ls", "name=="+ref); !strings.Contains(row, want) {
			t.Errorf("%s has another digest than %s: %s", ref, want, row)
		}
	}
	if o := pull("docker.io/team/app:1").run(t); o.code == 0 {
		t.Error("containerd gets an image of another registry")
	}
	equal(t, "ctr run prints", c.start(t, "docker.io/library/hello:1"), here.Output)
	listed := strings.Fields(run(t, "skopeo", "list-tags", "--tls-verify=false",
		"docker://"+s.addr+"/quay.example/team/app"))
	if !slices.Contains(listed, `"1"`) {
		t.Errorf("skopeo list-tags: %v", listed)
	}
}

// TestServeWhatBelongs serves an image with its signatures, SBOMs and attestations, and artifacts that are
// no images. What is copied from there is complete.
func TestServeWhatBelongs(t *testing.T) {
	require(t, "skopeo")
	image, here := newSample(t, sample.Options{Text: "what belongs\n"})
	origin := startRegistry3(t)
	from := repository(origin, "team/app")
	ref := seed(t, image, origin, from.Name, "1")
	attached := attach(t, from, image, here)
	thing := artifact{Type: "application/vnd.example.chart", Content: "a chart"}.put(t, from, "chart")
	dir := scratch(t)
	layout, tar := filepath.Join(dir, "layout"), filepath.Join(dir, "o.tar")
	both := []string{ref, origin + "/team/app:chart", "--platform", "all", "--referrers"}
	drayage(t, slices.Concat([]string{"fetch", "-o", layout}, both)...).ok(t)
	drayage(t, slices.Concat([]string{"save", "-o", tar, "--format", "oci"}, both)...).ok(t)
	for _, source := range []string{layout, tar} {
		t.Run(filepath.Base(source), func(t *testing.T) {
			s := startServe(t, source)
			attached.check(t, repository(s.addr, "team/app"))
			to := repository(startOlareg(t), "mirror/team/app")
			drayage(t, "copy", s.addr+"/team/app:1", s.addr+"/team/app:chart",
				strings.TrimPrefix(to.URL, "http://")+"/mirror/", "--referrers").ok(t)
			attached.check(t, to)
			got, err := to.Manifest(t.Context(), "chart")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "digest of the artifact", got.Digest, thing.Digest)
			checkArtifact(t, to, got.Digest)
			for tag, want := range attached.cosign {
				equal(t, tag, servedDigest(t, s.addr+"/team/app:"+tag), want)
			}
		})
	}
}

// servedDigest is the digest of what a registry without TLS has under a name.
func servedDigest(t *testing.T, ref string) digest.Digest {
	t.Helper()
	return digest.FromString(skopeo(t, "inspect", "--raw", "--tls-verify=false", "docker://"+ref))
}
