package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/internal/report"
)

// manyImages is more than what copy finds out about at once.
const manyImages = copyWindow + 5

// firstRequest is the number of the first request that begins so, or -1.
func firstRequest(r *fakeregistry.Registry, line string) int {
	return slices.IndexFunc(r.Requests("", ""), func(e fakeregistry.Entry) bool {
		return strings.HasPrefix(e.Method+" "+e.Path, line)
	})
}

// servedMany is a registry with very many images, and their names. The first one and the last one are signed.
func servedMany(t *testing.T) (*fakeregistry.Registry, string, []string) {
	t.Helper()
	a := fakeregistry.New()
	host, names := serveFake(t, a), make([]string, manyImages)
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"shared": "shared"}))
	for i := range names {
		name := fmt.Sprintf("app/n%04d", i)
		root := a.PutImage(name, "1", fakeregistry.Image{Labels: map[string]string{"n": fmt.Sprint(i)},
			Layers: []fakeregistry.Layer{layer}})
		if names[i] = host + "/" + name + ":1"; i == 0 || i == manyImages-1 {
			m := imagetest.Manifest(a.PutBlob(name, []byte("{}")), a.PutBlob(name, []byte(fmt.Sprint("signature", i))))
			a.PutManifest(name, "sha256-"+root.Digest.Encoded()+".sig", m.MediaType, imagetest.Encode(m))
		}
	}
	return a, host, names
}

// Of very many images the first ones are at their destination when copy finds out about the last ones. What
// it tells of them all is the same as of few.
func TestVeryManyImagesAreCopiedByTurns(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a, host, names := servedMany(t)
	names[3] = host + "/nowhere:1"
	args := append(append([]string{"drayage", "copy", "--json", "--referrers"}, names...), host+"/to/")
	var stdout, stderr bytes.Buffer
	code := run(args, nil, &stdout, &stderr)
	var doc report.Document
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		t.Fatalf("%v: %.600s", err, stderr.String())
	}
	if code == 0 || len(doc.Images) != len(names) {
		t.Fatalf("exit code %d, %d images: %.600s", code, len(doc.Images), stderr.String())
	}
	failed := 0
	for i, im := range doc.Images {
		if !im.OK {
			failed++
		} else if repo := strings.TrimPrefix(im.Name, host+"/"); i < 3 && repo != fmt.Sprintf("to/app/n%04d:1", i) {
			t.Errorf("image %d is %s", i, im.Name)
		} else if _, ok := a.Tag(strings.TrimSuffix(repo, ":1"), "1"); !ok {
			t.Errorf("%s is not there", im.Name)
		}
	}
	if failed != 1 || doc.Images[len(names)-1].OK {
		t.Errorf("%d images failed, want one, at the end", failed)
	}
	for _, want := range []string{"# failed, as a list for --from:\n" + host + "/nowhere:1  # ",
		"with 2 referrers", fmt.Sprintf("(1 of %d)", manyImages),
		fmt.Sprintf("1 of %d images failed", manyImages)} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in the messages", want)
		}
	}
	last := fmt.Sprintf("app/n%04d", manyImages-1)
	begun := firstRequest(a, "PUT /v2/to/app/n0000/manifests/1")
	found := firstRequest(a, "GET /v2/"+last+"/manifests/")
	if begun < 0 || found < begun {
		t.Errorf("the first image was there at request %d, the last one was found out about at %d", begun, found)
	}
	for _, signed := range []string{"app/n0000", last} {
		if _, manifests, _ := a.Stored("to/" + signed); manifests != 2 {
			t.Errorf("%s has %d manifests, want the image's and the signature's", signed, manifests)
		}
	}

	stderr.Reset()
	if code := run(args, nil, &stdout, &stderr); code == 0 {
		t.Error("an image that is nowhere was copied")
	}
	there := fmt.Sprintf("%d of %d images are there already, unchanged", manyImages-1, manyImages)
	if !strings.Contains(stderr.String(), there) {
		t.Errorf("no %q in the messages", there)
	}
}

// Two images that would become one are refused before anything moves, however far apart they are.
func TestTwoOfVeryManyImagesForOnePlace(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	a, host, names := servedMany(t)
	other := fakeregistry.New()
	other.PutImage("app/n0000", "1", fakeregistry.Image{Labels: map[string]string{"n": "another"}})
	names[manyImages-1] = serveFake(t, other) + "/app/n0000:1"
	code, text := drayage(t, append(append([]string{"copy"}, names...), host+"/to/")...)
	if code != 2 || !strings.Contains(text, "would both become "+host+"/to/app/n0000:1") {
		t.Errorf("exit code %d: %.600s", code, text)
	}
	if i := firstRequest(a, "PUT"); i >= 0 {
		t.Errorf("%+v before that", a.Requests("", "")[i])
	}
}
