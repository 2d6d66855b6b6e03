package roundtrip

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// ways are how the near side knows what the far side has. Each puts the same into both far sides.
var ways = []struct {
	name    string
	prepare func(*crossing)
}{
	{"an archive", (*crossing).byArchive},
	{"a layout", (*crossing).byLayout},
	{"an inventory of a registry", (*crossing).byInventory},
	{"an inventory of any blobs", (*crossing).byWrittenInventory},
	{"repositories with any blobs", (*crossing).byRepositories},
	{"an archive and repositories", func(u *crossing) { u.byArchive(); u.byRepositories() }},
	{"two archives, one on the other", (*crossing).byChain},
}

// arrived pushes old images to both far sides.
func (u *crossing) arrived(file string, more ...string) {
	u.Helper()
	u.must(u.T, with("push", []string{file, u.whole.addr + "/"}, more)...)
	u.must(u.T, with("push", []string{file, u.thin.addr + "/"}, more)...)
}

// knows says that the far side has the images of some names.
func (u *crossing) knows(names []named) {
	for d := range allParts(names) {
		u.known[d] = true
	}
}

func (u *crossing) byArchive() {
	u.must(u.T, with("save", u.refs(u.old, u.near), []string{"--format", "oci", "-o", "old.tar"})...)
	u.arrived("old.tar")
	u.knows(u.old)
	u.since = append(u.since, "--since", "old.tar")
	u.bases = append(u.bases, "--base", "old.tar")
}

func (u *crossing) byLayout() {
	u.must(u.T, with("fetch", u.refs(u.old, u.near), []string{"-o", "old"})...)
	u.arrived("old")
	u.knows(u.old)
	u.since = append(u.since, "--since", "old")
	u.bases = append(u.bases, "--base", "old")
}

// byInventory lets the far side say what it has.
func (u *crossing) byInventory() {
	u.must(u.T, with("fetch", u.refs(u.old, u.near), []string{"-o", "old"})...)
	u.arrived("old")
	u.knows(u.old)
	args := []string{"inventory", "-q", "-o", "far.inv"}
	for _, n := range u.old {
		args = append(args, u.thin.addr+"/"+n.repository)
	}
	u.must(u.T, args...)
	u.since = append(u.since, "--since", "far.inv")
	u.fromRepositories()
}

// fromRepositories takes what is not inside from the far side's own registry.
func (u *crossing) fromRepositories() {
	for _, name := range u.repositories(u.thin) {
		u.bases = append(u.bases, "--base", name)
	}
}

// some are any blobs of the new images.
func (u *crossing) some() (all []digest.Digest) {
	for d := range allParts(u.new) {
		all = append(all, d)
	}
	slices.Sort(all)
	return slices.DeleteFunc(all, func(digest.Digest) bool { return u.rand.IntN(2) == 0 })
}

// byWrittenInventory knows any blobs, wherever they came from.
func (u *crossing) byWrittenInventory() {
	type blob struct {
		Digest digest.Digest `json:"digest"`
		Size   int           `json:"size"`
	}
	content := allParts(u.new)
	blobs := []blob{}
	for _, d := range u.some() {
		blobs = append(blobs, blob{d, len(content[d])})
		u.known[d] = true
		for _, n := range u.new {
			u.thin.PutBlob(n.repository, content[d])
			u.whole.PutBlob(n.repository, content[d])
		}
	}
	raw, err := json.Marshal(map[string]any{"mediaType": "application/vnd.drayage.inventory.v1+json",
		"blobs": blobs, "chains": []string{}})
	if err != nil {
		u.Fatal(err)
	}
	u.write(u.T, "far.inv", string(raw))
	u.since = append(u.since, "--since", "far.inv")
	u.fromRepositories()
}

// byRepositories puts any blobs into each of the far repositories, and asks there.
func (u *crossing) byRepositories() {
	content := allParts(u.new)
	for _, name := range u.repositories(u.thin) {
		repository := name[len(u.thin.addr)+1:]
		for _, d := range u.some() {
			u.known[d] = true
			u.thin.PutBlob(repository, content[d])
			u.whole.PutBlob(repository, content[d])
		}
		u.since = append(u.since, "--since", name)
	}
	u.fromRepositories()
}

// byChain is a first archive, a second one since it, and the update since both.
func (u *crossing) byChain() {
	half := (len(u.old) + 1) / 2
	u.must(u.T, with("save", u.refs(u.old[:half], u.near), []string{"--format", "oci", "-o", "january.tar"})...)
	u.must(u.T, with("save", u.refs(u.old, u.near), []string{"--since", "january.tar", "-o", "february.tar"})...)
	u.arrived("january.tar")
	u.must(u.T, with("push", []string{"february.tar", u.whole.addr + "/"}, u.mountsIn(u.whole))...)
	u.must(u.T, with("push", []string{"february.tar", u.thin.addr + "/"}, u.mountsIn(u.thin))...)
	u.knows(u.old)
	for _, month := range []string{"january", "february"} {
		u.since = append(u.since, "--since", fmt.Sprintf("%s.tar", month))
		u.bases = append(u.bases, "--base", fmt.Sprintf("%s.tar", month))
	}
}
