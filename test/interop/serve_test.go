//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// served is a running `drayage serve`.
type served struct {
	*daemon
	addr string // host:port
}

// startServe serves sources on a free port until the test ends.
func startServe(t *testing.T, args ...string) served {
	t.Helper()
	i := drayageCommand(t, slices.Concat([]string{"serve", "--addr", "127.0.0.1:0"}, args)...)
	var s served
	var err error
	if s.daemon, err = startCommand(scratch(t), exec.Command(i.argv[0], i.argv[1:]...)); err != nil {
		t.Fatal(err)
	}
	s.stopAfter(t)
	err = s.ready(func() error {
		said, err := os.ReadFile(s.log)
		for line := range strings.Lines(string(said)) {
			if at := strings.Index(line, "://"); strings.HasPrefix(line, "http") && at > 0 {
				s.addr = strings.TrimSpace(line[at+3:])
				return nil
			}
		}
		return fmt.Errorf("no address yet, %v", err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// offer is an image that is served, in one of the ways.
type offer struct {
	name   string
	args   []string      // of serve
	digest digest.Digest // of what its tag leads to; empty: serve has made the manifest
	here   sample.Platform
}

// offerings are the sample images in all kinds of sources. They have texts of their own: no engine has a
// layer already but for the program's.
func offerings(t *testing.T) (all []offer) {
	t.Helper()
	origin := startRegistry3(t)
	add := func(name string, made bool, platforms string, args func(ref, dir string) []string) {
		image, here := newSample(t, sample.Options{Text: name + "\n"})
		o := offer{name: name, here: here, digest: image.Root.Digest}
		ref := seed(t, image, origin, "team/hello", strings.ReplaceAll(name, " ", "-"))
		switch {
		case made:
			o.digest = ""
		case platforms == "":
			o.digest = here.Manifest.Digest
		}
		o.args = args(ref, scratch(t))
		all = append(all, o)
	}
	save := func(ref, file string, more ...string) string {
		drayage(t, append([]string{"save", ref, "-o", file}, more...)...).ok(t)
		return file
	}
	every := []string{"--platform", "all"}
	oci := append([]string{"--format", "oci"}, every...)
	add("layout", false, "all", func(ref, dir string) []string {
		drayage(t, slices.Concat([]string{"fetch", ref, "-o", dir + "/l"}, every)...).ok(t)
		return []string{dir + "/l"}
	})
	add(
		"OCI tar",
		false,
		"all",
		func(ref, dir string) []string { return []string{save(ref, dir+"/o.tar", oci...)} },
	)
	add("docker tar", true, "", func(ref, dir string) []string { return []string{save(ref, dir+"/d.tar")} })
	add("volumes", false, "all", func(ref, dir string) []string {
		return []string{save(ref, dir+"/v.tar", append(oci, "--volume-size", "1M")...) + ".set"}
	})
	add("signed volumes", false, "", func(ref, dir string) []string {
		drayage(t, "keygen", "-o", dir+"/k.key", "--no-password").ok(t)
		save(ref, dir+"/v.tar", "--format", "oci", "--volume-size", "1M", "--sign", dir+"/k.key")
		return []string{dir, "--key", dir + "/k.pub"}
	})
	base := save(seedText(t, origin, "base"), filepath.Join(scratch(t), "base.tar"), "--format", "oci")
	add("thin with its base", false, "", func(ref, dir string) []string {
		return []string{save(ref, dir+"/t.tar", "--since", base), "--base", base}
	})
	add("thin beside its base", false, "", func(ref, dir string) []string {
		return []string{save(ref, dir+"/t.tar", "--since", base), base}
	})
	add("several", false, "all", func(ref, dir string) []string {
		other := save(seedText(t, origin, "another"), dir+"/other.tar")
		return []string{other, save(ref, dir+"/o.tar", oci...), base}
	})
	return all
}

// seedText puts a sample image into a registry, with its text as the tag.
func seedText(t *testing.T, addr, text string) string {
	t.Helper()
	image, _ := newSample(t, sample.Options{Text: text + "\n"})
	return seed(t, image, addr, "team/hello", text)
}

// tag is that of the image.
func (o offer) tag() string { return strings.ReplaceAll(o.name, " ", "-") }

// puller pulls an image, whose name ends in its tag, and runs it where it can. It returns the digest that
// it has found.
type puller struct {
	name string
	pull func(t *testing.T, ref string, here sample.Platform) string
}

// pullers start each engine once.
func pullers(t *testing.T) []puller {
	t.Helper()
	require(t, "skopeo")
	d, p, c := startDocker(t), newPodman(t), startContainerd(t)
	all := []puller{
		{docker20, func(t *testing.T, ref string, here sample.Platform) string {
			d.run(t, "pull", ref)
			equal(t, "image ID", d.id(t, ref), here.Config.String())
			equal(t, "docker run prints", d.start(t, ref), here.Output)
			found := d.run(t, "image", "inspect", "--format", "{{index .RepoDigests 0}}", ref)
			d.run(t, "image", "rm", "-f", ref)
			return found
		}},
		{"podman 4.3", func(t *testing.T, ref string, here sample.Platform) string {
			p.run(t, "pull", "--tls-verify=false", ref)
			equal(t, "image ID", p.id(t, ref), here.Config.String())
			equal(t, "podman run prints", p.start(t, ref), here.Output)
			found := p.run(t, "image", "inspect", "--format", "{{.RepoDigests}}", ref)
			p.run(t, "rmi", "-f", ref)
			return found
		}},
		{containerd16, func(t *testing.T, ref string, here sample.Platform) string {
			c.ctr(t, "images", "pull", "--plain-http", ref)
			equal(t, "ctr run prints", c.start(t, ref), here.Output)
			found := c.ctr(t, "images", "ls", "name=="+ref)
			c.ctr(t, "images", "rm", "--sync", ref)
			return found
		}},
		{"skopeo", func(t *testing.T, ref string, here sample.Platform) string {
			l, err := skopeoCopies(t, "docker://"+ref, "--src-tls-verify=false")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "image ID", l.id, here.Config)
			return digest.FromString(skopeo(t, "inspect", "--raw", "--tls-verify=false", "docker://"+ref)).
				String()
		}},
		{"drayage", func(t *testing.T, ref string, _ sample.Platform) string {
			layout := filepath.Join(scratch(t), "layout")
			fetched := drayage(t, "fetch", ref, "-o", layout, "--platform", "all")
			fetched.ok(t)
			drayage(t, "verify", layout).ok(t)
			return fetched.stderr
		}},
	}
	return append(all, others(t)...)
}

// others are pullers that Debian has no package of.
func others(t *testing.T) (all []puller) {
	if _, err := find("crane"); err == nil {
		all = append(all, puller{"crane", func(t *testing.T, ref string, _ sample.Platform) string {
			out := filepath.Join(scratch(t), "layout")
			run(t, "crane", "pull", "--insecure", "--format=oci", ref, out)
			drayage(t, "verify", out).ok(t)
			return run(t, "crane", "digest", "--insecure", ref)
		}})
	}
	if _, err := find("regctl"); err == nil {
		all = append(all, puller{"regctl", func(t *testing.T, ref string, _ sample.Platform) string {
			addr, _, _ := strings.Cut(ref, "/")
			plain := []string{"--host", "reg=" + addr + ",tls=disabled"}
			out := filepath.Join(scratch(t), "regctl.tar")
			run(t, slices.Concat([]string{"regctl", "image", "export", ref, out}, plain)...)
			drayage(t, "verify", out).ok(t)
			return run(t, slices.Concat([]string{"regctl", "image", "digest", ref}, plain)...)
		}})
	}
	return all
}

// TestPullFromServe pulls every kind of source with everything that pulls. What arrives has the digest of the
// archive, and runs.
func TestPullFromServe(t *testing.T) {
	requireDocker(t)
	offers := offerings(t)
	addr := map[string]string{}
	for _, o := range offers {
		addr[o.name] = startServe(t, o.args...).addr
	}
	everyone := pullers(t)
	t.Run("by", func(t *testing.T) {
		for _, by := range everyone {
			t.Run(by.name, func(t *testing.T) {
				t.Parallel()
				for _, o := range offers {
					t.Run(o.name, func(t *testing.T) { o.pulled(t, by, addr[o.name]) })
				}
			})
		}
	})
}

func (o offer) pulled(t *testing.T, by puller, addr string) {
	want := o.digest
	if want == "" {
		m, err := repository(addr, "team/hello").Manifest(t.Context(), o.tag())
		if err != nil {
			t.Fatal(err)
		}
		want = m.Digest
	}
	if found := by.pull(t, addr+"/team/hello:"+o.tag(), o.here); !strings.Contains(found, want.String()) {
		t.Errorf("%s has found %s, want %s", by.name, found, want)
	}
}
