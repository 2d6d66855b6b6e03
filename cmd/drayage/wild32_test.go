package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"drayage/internal/durable"
	"drayage/internal/fakeregistry"
)

// Wild case 32: of ten times as many images, each one costs no more. What is counted is how often memory is
// asked for, and for how much: a command that goes over all images for each image, or again and again, shows
// there, and a busy machine does not. Many is more than what fetch and push plan at once.
func TestWild32CostOfAnImageStaysTheSame(t *testing.T) {
	if raced {
		t.Skip("the race detector makes it take minutes, and changes what memory is asked for")
	}
	const few, many, most = 101, 1101, 1.3
	newWildLayout(t) // a home without files
	one, some, all := costsOf(t, 1), costsOf(t, few), costsOf(t, many)
	for i, verb := range all {
		few, many := some[i].each(one[i], few), verb.each(one[i], many)
		t.Logf("%-60s %6.0f and %6.0f bytes, %4.0f and %4.0f times", verb.name, few.bytes, many.bytes,
			few.times, many.times)
		if many.bytes > few.bytes*most+16<<10 || many.times > few.times*most+10 {
			t.Errorf("%s: each of few images takes %.0f bytes, %.0f times; each of many %.0f, %.0f", verb.name,
				few.bytes, few.times, many.bytes, many.times)
		}
	}
}

// cost is what a command has allocated.
type cost struct {
	name         string
	bytes, times float64
}

// each is the cost of each of n images but the first.
func (c cost) each(one cost, n float64) cost {
	return cost{c.name, (c.bytes - one.bytes) / (n - 1), (c.times - one.times) / (n - 1)}
}

// costsOf runs commands on a number of small images that share a layer, each in its own repository.
func costsOf(t *testing.T, images int) (all []cost) {
	t.Helper()
	reg := fakeregistry.New()
	server := httptest.NewServer(reg)
	defer server.Close()
	host, dir := strings.TrimPrefix(server.URL, "http://"), inMemory(t)
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"shared": "shared"}))
	var list strings.Builder
	for i := range images {
		name := fmt.Sprintf("app/n%04d", i)
		reg.PutImage(name, "1", fakeregistry.Image{Labels: map[string]string{"n": fmt.Sprint(i)},
			Layers: []fakeregistry.Layer{layer}})
		fmt.Fprintf(&list, "%s/%s:1\n", host, name)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("list"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(flatCommands, "\n") {
		line = strings.NewReplacer("DIR", dir, "HOST", host).Replace(line)
		args := append([]string{"drayage"}, strings.Fields(line)...)
		var before, after runtime.MemStats
		var stdout, stderr bytes.Buffer
		runtime.ReadMemStats(&before)
		code := run(args, nil, &stdout, &stderr)
		runtime.ReadMemStats(&after)
		if code != 0 {
			t.Fatalf("%s: %d, %.800s", line, code, stderr.String())
		}
		name := strings.NewReplacer(dir+"/", "", host, "", " --platform linux/amd64", "").Replace(line)
		all = append(all, cost{name, float64(after.TotalAlloc - before.TotalAlloc),
			float64(after.Mallocs - before.Mallocs)})
	}
	return all
}

// inMemory returns a directory that need not wait for a disk, where the system has one with room. The test
// would wait for most of its time.
func inMemory(t *testing.T) string {
	t.Helper()
	const shared, room = "/dev/shm", 512 << 20
	if free, err := durable.Free(shared); err != nil || free < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "drayage-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

const flatCommands = `fetch --from DIR/list -o DIR/images --platform linux/amd64
fetch --from DIR/list -o DIR/images --platform linux/amd64
save DIR/images -o DIR/d.tar --platform linux/amd64
save DIR/images -o DIR/o.tar --format oci --platform linux/amd64
save DIR/o.tar -o oci:DIR/more --platform linux/amd64
push DIR/images HOST/layout/
push DIR/images HOST/layout/
push DIR/o.tar HOST/ocitar/
push DIR/d.tar HOST/dockertar/
copy --from DIR/list HOST/copy/
verify DIR/images
verify DIR/o.tar
verify DIR/d.tar
ls DIR/images
ls DIR/o.tar
inspect DIR/images
inspect DIR/o.tar
inspect DIR/d.tar
inventory DIR/images -o DIR/inventory
digest DIR/images --platform linux/amd64
digest oci:DIR/images:HOST/app/n0000:1 --platform linux/amd64
manifest oci:DIR/images:HOST/app/n0000:1 --platform linux/amd64
tag oci:DIR/images:HOST/app/n0000:1 example.com/other:1
rm oci:DIR/images:example.com/other:1
gc DIR/images`
