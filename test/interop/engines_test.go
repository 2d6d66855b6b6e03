//go:build linux

package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// loaded is an image as a program has it after it has read an archive.
type loaded struct {
	name    string // full, with a tag; empty if it has none, unknown if the program does not tell
	id      digest.Digest
	diffIDs []digest.Digest
	tag     string // of an image in an archive that has no full name; engines make names of it
}

// unknown is the name of an image that was taken without saying which.
const unknown = "*"

func (l loaded) String() string { return fmt.Sprint(l.name, " ", l.id, " ", l.diffIDs) }

// engine is a program that reads archives.
type engine struct {
	name string
	// load returns what the program has after it has read the archive, which may be less than what is in it, or
	// why it refuses it. Nothing stays from one call to the next. names are those that the archive is known to
	// hold.
	load func(t *testing.T, archive string, names []string) ([]loaded, error)
}

// The engines that the tests know.
const (
	docker20     = "Docker 20.10"
	containerd16 = "containerd 1.6"
	skopeoOCI    = "skopeo 1.9 oci-archive"
)

// engines starts all that read archives. Each may be used by one goroutine at a time.
func engines(t *testing.T) []engine {
	t.Helper()
	require(t, "skopeo")
	p := newPodman(t)
	return []engine{
		{docker20, startDocker(t).loadArchive},
		{"podman 4.3", p.loadArchive},
		{containerd16, startContainerd(t).loadArchive},
		{"skopeo 1.9 docker-archive", skopeoDockerArchive},
		{skopeoOCI, skopeoOCIArchive},
	}
}

// try runs a command that may fail and returns its output, or the end of what it complains about.
func (i invocation) try(t *testing.T) (string, error) {
	t.Helper()
	i.quiet = true
	o := i.run(t)
	if o.code == 0 {
		return o.stdout, nil
	}
	lines := sortlessLines(o.stderr)
	return o.stdout, errors.New(lines[len(lines)-1])
}

func sortlessLines(out string) []string { return strings.Split(strings.TrimSpace(out), "\n") }

// fullName completes a name as Docker does.
func fullName(name string) string {
	domain, _, found := strings.Cut(name, "/")
	switch {
	case !found:
		return hub + name
	case !strings.ContainsAny(domain, ".:") && domain != "localhost":
		return "docker.io/" + name
	}
	return name
}

// listImages is what docker and podman have, each image once for each of its names.
func listImages(t *testing.T, try func(args ...string) (string, error)) (all []loaded) {
	t.Helper()
	ids, err := try("images", "-q", "--no-trunc")
	if err != nil {
		t.Fatal(err)
	}
	distinct := slices.Compact(sortedLines(ids))
	if distinct[0] == "" {
		return nil
	}
	out, err := try(append([]string{"image", "inspect"}, distinct...)...)
	if err != nil {
		t.Fatal(err)
	}
	var images []struct {
		ID       string `json:"Id"`
		RepoTags []string
		RootFS   struct{ Layers []digest.Digest }
	}
	if err := json.Unmarshal([]byte(out), &images); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, im := range images {
		l := loaded{id: digest.Digest("sha256:" + strings.TrimPrefix(im.ID, "sha256:")), diffIDs: im.RootFS.Layers}
		for _, n := range im.RepoTags {
			l.name = fullName(n)
			all = append(all, l)
		}
		if len(im.RepoTags) == 0 {
			all = append(all, l)
		}
	}
	return all
}

func (d docker) loadArchive(t *testing.T, archive string, _ []string) ([]loaded, error) {
	t.Helper()
	try := func(args ...string) (string, error) { return d.command(args...).try(t) }
	_, refused := try("load", "-i", archive)
	all := listImages(t, try)
	if _, err := try("image", "prune", "-a", "-f"); err != nil {
		t.Fatal(err)
	}
	return all, refused
}

func (p podman) loadArchive(t *testing.T, archive string, _ []string) ([]loaded, error) {
	t.Helper()
	try := func(args ...string) (string, error) { return p.command(args...).try(t) }
	_, refused := try("load", "-i", archive)
	all := listImages(t, try)
	if _, err := try("rmi", "-a", "-f"); err != nil {
		t.Fatal(err)
	}
	return all, refused
}

func (c containerd) loadArchive(t *testing.T, archive string, _ []string) ([]loaded, error) {
	t.Helper()
	ctr := func(args ...string) (string, error) {
		return invocation{argv: slices.Concat([]string{"ctr", "-a", c.socket, "-n", "corpus"}, args)}.try(t)
	}
	args := []string{"images", "import", archive}
	_, refused := ctr(args...)
	out, err := ctr("images", "ls")
	if err != nil {
		t.Fatal(err)
	}
	var all []loaded
	var names []string
	for _, row := range sortlessLines(out)[1:] {
		fields := strings.Fields(row) // name, media type, digest
		l, err := c.stored(digest.Digest(fields[2]))
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		l.name = fields[0]
		names, all = append(names, fields[0]), append(all, l)
	}
	if len(names) > 0 {
		if _, err := ctr(append([]string{"images", "rm", "--sync"}, names...)...); err != nil {
			t.Fatal(err)
		}
	}
	return all, refused
}

// stored reads what an image is for this machine from containerd's content store.
func (c containerd) stored(root digest.Digest) (l loaded, err error) {
	blob := func(d digest.Digest, into any) {
		if err == nil {
			err = d.Validate()
		}
		if err == nil {
			err = readJSON(filepath.Join(c.content, d.Encoded()), into)
		}
	}
	var m struct {
		Config    v1.Descriptor
		Manifests []v1.Descriptor
	}
	blob(root, &m)
	for _, d := range m.Manifests {
		if d.Platform != nil && d.Platform.Architecture == runtime.GOARCH {
			blob(d.Digest, &m)
			break
		}
	}
	var config v1.Image
	blob(m.Config.Digest, &config)
	return loaded{id: m.Config.Digest, diffIDs: config.RootFS.DiffIDs}, err
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// skopeoCopies copies an image into a directory, which reads all of it.
func skopeoCopies(t *testing.T, source string, flags ...string) (l loaded, err error) {
	t.Helper()
	dir := scratch(t)
	_, err = invocation{argv: slices.Concat([]string{"skopeo", "--insecure-policy", "copy", "-q"}, flags,
		[]string{source, "dir:" + dir})}.try(t)
	if err != nil {
		return l, err
	}
	var m v1.Manifest
	var config v1.Image
	if err := readJSON(filepath.Join(dir, "manifest.json"), &m); err != nil {
		return l, err
	}
	err = readJSON(filepath.Join(dir, m.Config.Digest.Encoded()), &config)
	return loaded{name: unknown, id: m.Config.Digest, diffIDs: config.RootFS.DiffIDs}, err
}

// skopeoDockerArchive reads what skopeo finds by manifest.json.
func skopeoDockerArchive(t *testing.T, archive string, _ []string) ([]loaded, error) {
	t.Helper()
	source := "docker-archive:" + archive
	out, err := invocation{argv: []string{"skopeo", "list-tags", source}}.try(t)
	if err != nil {
		return nil, err
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	var all []loaded
	for _, tag := range list.Tags {
		l, err := skopeoCopies(t, source+":"+tag)
		if err != nil {
			return all, err
		}
		if l.name = fullName(tag); strings.HasPrefix(tag, "@") { // the place of one without a name
			l.name = ""
		}
		all = append(all, l)
	}
	return all, nil
}

// skopeoOCIArchive reads a single image unasked, or each by its name or tag. A tag that several names have
// means none of them.
func skopeoOCIArchive(t *testing.T, archive string, names []string) ([]loaded, error) {
	t.Helper()
	source := "oci-archive:" + archive
	l, err := skopeoCopies(t, source)
	if err == nil {
		return []loaded{l}, nil
	}
	tags := distinctTags(names)
	var all []loaded
	for _, n := range names {
		l, byName := skopeoCopies(t, source+":"+n)
		if tag := tagOf(n); byName != nil && tags[tag] == n {
			l, byName = skopeoCopies(t, source+":"+tag)
		}
		if byName == nil && n != "" {
			l.name = n
			all = append(all, l)
		}
	}
	if len(all) > 0 {
		err = nil
	}
	return all, err
}

func tagOf(name string) string { return name[strings.LastIndex(name, ":")+1:] }

// distinctTags are the tags that only one of the names has, with that name.
func distinctTags(names []string) map[string]string {
	tags := map[string]string{}
	for _, n := range names {
		tags[tagOf(n)] = n
	}
	for i, n := range names {
		for _, other := range names[:i] {
			if tagOf(n) == tagOf(other) {
				delete(tags, tagOf(n))
			}
		}
	}
	return tags
}
