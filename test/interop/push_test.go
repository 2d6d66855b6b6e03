//go:build linux

package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// registries are the two generations that people run.
var registries = []struct {
	name  string
	start func(*testing.T) string
}{
	{"docker-registry 2.8", func(t *testing.T) string { return startRegistry2(t, "", "") }},
	{"distribution 3", startRegistry3},
}

// pushes are the ways in which an image that Docker built becomes the input of drayage push.
var pushes = []struct {
	name string
	push func(t *testing.T, b docker, dest string) outcome
}{
	{"docker save", func(t *testing.T, b docker, dest string) outcome {
		return drayage(t, "push", saveImages(t, b, "built:1"), dest)
	}},
	{"stdin", func(t *testing.T, b docker, dest string) outcome {
		saved, pushed := pipe(t, b.command("save", "built:1"), drayageCommand(t, "push", "-", dest))
		saved.ok(t)
		return pushed
	}},
	{"gzip", func(t *testing.T, b docker, dest string) outcome {
		tar := saveImages(t, b, "built:1")
		run(t, "gzip", tar)
		return drayage(t, "push", tar+".gz", dest)
	}},
	{"gzip on stdin", func(t *testing.T, b docker, dest string) outcome {
		zip := invocation{argv: []string{"gzip", "-c", saveImages(t, b, "built:1")}}
		zipped, pushed := pipe(t, zip, drayageCommand(t, "push", "-", dest))
		zipped.ok(t)
		return pushed
	}},
	{"skopeo from the daemon", func(t *testing.T, b docker, dest string) outcome {
		tar := filepath.Join(scratch(t), "skopeo.tar")
		skopeo(t, "copy", "--src-daemon-host", b.socket, "docker-daemon:built:1", "docker-archive:"+tar+":built:1")
		return drayage(t, "push", tar, dest)
	}},
}

// saveImages runs docker save and returns the tar's path.
func saveImages(t *testing.T, b docker, names ...string) string {
	t.Helper()
	tar := filepath.Join(scratch(t), "saved.tar")
	b.run(t, slices.Concat([]string{"save", "-o", tar}, names)...)
	return tar
}

// TestPushKeepsBuiltImage carries an image from one Docker to another, by way of a tar and a registry.
func TestPushKeepsBuiltImage(t *testing.T) {
	requireDocker(t)
	for _, registry := range registries {
		for _, way := range pushes {
			t.Run(registry.name+"/"+way.name, func(t *testing.T) {
				b := build(t)
				addr := registry.start(t)
				repository := addr + "/team/built"
				printed := way.push(t, b, repository+":1").ok(t)
				_, dgst := readManifest(t, addr, "team/built", "1")
				equal(t, "push prints", printed, repository+"@"+dgst.String())
				checkPulled(t, b, "built:1", repository+":1")
				checkPulled(t, b, "built:1", printed)
			})
		}
	}
}

// checkPulled pulls an image into an empty Docker and compares it with the builder's.
func checkPulled(t *testing.T, b docker, built, ref string) {
	t.Helper()
	d := startDocker(t)
	d.run(t, "pull", ref)
	equal(t, "image ID of "+ref, d.id(t, ref), b.id(t, built))
	equal(t, "docker run "+ref, d.start(t, ref), b.start(t, built))
}

// TestPushPulledWithSkopeo takes the archive that skopeo writes from a registry.
func TestPushPulledWithSkopeo(t *testing.T) {
	b := build(t)
	addr := startRegistry3(t)
	b.run(t, "tag", "built:1", addr+"/first/built:1")
	b.run(t, "push", addr+"/first/built:1")
	tar := filepath.Join(scratch(t), "skopeo.tar")
	skopeo(t, "copy", "--src-tls-verify=false", "docker://"+addr+"/first/built:1", "docker-archive:"+tar)
	drayage(t, "push", tar, addr+"/second/built:1").ok(t)
	checkPulled(t, b, "built:1", addr+"/second/built:1")
}

// TestPushManyImages takes every image of one tar, the second with two names, and keeps their paths.
func TestPushManyImages(t *testing.T) {
	b := build(t)
	b.run(t, "tag", "child:1", "registry.example:5000/team/child:stable")
	tar := saveImages(t, b, "built:1", "child:1", "registry.example:5000/team/child:stable")
	for _, prefix := range []string{"", "mirror/"} {
		addr := startRegistry3(t)
		dest := addr + "/" + prefix
		printed := sortedLines(drayage(t, "push", tar, dest).ok(t))
		var want []string
		for name, built := range map[string]string{
			"library/built:1":   "built:1",
			"library/child:1":   "child:1",
			"team/child:stable": "child:1",
		} {
			path, tag, _ := strings.Cut(name, ":")
			_, dgst := readManifest(t, addr, prefix+path, tag)
			want = append(want, dest+path+"@"+dgst.String())
			checkPulled(t, b, built, dest+name)
		}
		slices.Sort(want)
		equalAll(t, "push prints", printed, want)
	}
}
