package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// Wild case 32: of ten times as many images, each one costs no more. What is counted is how often memory is
// asked for: a loop within a loop shows there, and a busy machine does not.
func TestWild32CostOfAnImageStaysTheSame(t *testing.T) {
	newWildLayout(t) // a home without files
	var costs [2]map[string]float64
	for i, images := range []int{60, 600} {
		costs[i] = costOf(t, images)
	}
	for verb, few := range costs[0] {
		if many := costs[1][verb]; many > 1.3*few {
			t.Errorf("%s: %.0f of 60 images, %.0f of 600", verb, few, many)
		}
	}
}

// costOf is what each verb costs for each of so many images.
func costOf(t *testing.T, images int) map[string]float64 {
	r := fakeregistry.New()
	server := httptest.NewServer(r)
	defer server.Close()
	base := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"base": "base"}))
	var list strings.Builder
	for i := range images {
		name := fmt.Sprintf("many/app%d", i)
		own := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": name}))
		r.PutImage(name, "1", fakeregistry.Image{Layers: []fakeregistry.Layer{base, own}})
		fmt.Fprintf(&list, "%s/%s:1\n", strings.TrimPrefix(server.URL, "http://"), name)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("list"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	costs := map[string]float64{}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"fetch", []string{"fetch", "--from", path("list"), "-o", path("images"), "--platform", "linux/amd64"}},
		{"again", []string{"fetch", "--from", path("list"), "-o", path("images"), "--platform", "linux/amd64"}},
		{"docker", []string{"save", path("images"), "-o", path("d.tar"), "--platform", "linux/amd64"}},
		{"oci", []string{"save", path("images"), "-o", path("o.tar"), "--format", "oci"}},
		{"verify", []string{"verify", path("images")}},
		{"verify a docker tar", []string{"verify", path("d.tar")}},
		{"verify an OCI tar", []string{"verify", path("o.tar")}},
		{"ls -q", []string{"ls", path("images")}},
		{"ls", []string{"ls", path("images"), "--json"}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, stderr, code := command(t, append(c.args, "-q")...); code != 0 {
			t.Fatalf("%s: %d, %s", c.name, code, stderr)
		}
		runtime.ReadMemStats(&after)
		costs[c.name] = float64(after.Mallocs-before.Mallocs) / float64(images)
	}
	return costs
}
