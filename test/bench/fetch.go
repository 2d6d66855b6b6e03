//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
)

// fetchLimited adds what nginx takes of the same processors when it limits nothing.
func fetchLimited(ctx context.Context, e *env) ([]contender, func(), error) {
	all, stop, err := readScenario("five", limited, fetchers)(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	free, stopFree, err := readScenario("five", unlimited, fetchers)(ctx, e)
	if err != nil {
		stop()
		return nil, nil, err
	}
	bare := free[len(free)-1]
	bare.tool += ", no limit_rate"
	return append(all, bare), func() { stopFree(); stop() }, nil
}

// fetchers fetch all images of a data set into one layout.
func fetchers(_ context.Context, e *env, d *dataset, addr string) []contender {
	imgs := d.Images
	refs := make([]string, len(imgs))
	for i, img := range imgs {
		refs[i] = ref(addr, img)
	}
	into := func(tool string, commands func(dir string) [][]string) contender {
		return e.present(contender{tool: tool, task: func(_ context.Context, r *round) (task, error) {
			dir := r.path("layout")
			return task{argv: commands(dir), out: []string{dir}, check: func(context.Context) (int64, error) {
				return checkLayout(dir, imgs)
			}}, nil
		}})
	}
	all := []contender{
		into("drayage", func(dir string) [][]string {
			return [][]string{e.drayage(append(append([]string{"fetch"}, refs...), "-o", dir)...)}
		}),
		into("crane", func(dir string) [][]string {
			return [][]string{append(append([]string{e.tools.path("crane"), "pull", "--format=oci"}, refs...), dir)}
		}),
	}
	for _, name := range skopeos {
		all = append(all, into(name, func(dir string) [][]string {
			return perImage(imgs, func(img image, tag string) []string {
				return e.skopeo(name, "docker://"+ref(addr, img), "oci:"+dir+":"+tag)
			})
		}))
	}
	all = append(all,
		into("regctl", func(dir string) [][]string {
			return perImage(imgs, func(img image, tag string) []string {
				return e.regctl(addr, "image", "copy", ref(addr, img), "ocidir://"+dir+":"+tag)
			})
		}),
		into("oras", func(dir string) [][]string {
			return perImage(imgs, func(img image, tag string) []string {
				return []string{e.tools.path("oras"), "copy", "--no-tty", "--from-plain-http", ref(addr, img),
					"--to-oci-layout", dir + ":" + tag}
			})
		}),
		cannot("docker", "has no layout"),
	)
	return append(all, e.downloadLimit(d, addr))
}

func perImage(imgs []image, command func(img image, tag string) []string) (all [][]string) {
	for _, img := range imgs {
		_, tag := splitName(img.Name)
		all = append(all, command(img, tag))
	}
	return all
}

// urls are those of the layers of all images, each once.
func (d *dataset) urls(addr string) (urls []string, total int64) {
	seen := map[string]bool{}
	for _, img := range d.Images {
		repository, _ := splitName(img.Name)
		for _, desc := range img.Layers {
			if url := "http://" + addr + "/v2/" + repository + "/blobs/" + desc.Digest.String(); !seen[url] {
				seen[url] = true
				urls = append(urls, url)
				total += desc.Size
			}
		}
	}
	return urls, total
}

// downloadLimit is curl with all layers at the same time, into files that nobody verifies.
func (e *env) downloadLimit(d *dataset, addr string) contender {
	curl := e.tools.path("curl")
	name := "limit: parallel curl"
	if curl == "" {
		name = "limit: parallel GETs"
	}
	return contender{tool: name, limit: true, task: func(_ context.Context, r *round) (task, error) {
		urls, total := d.urls(addr)
		dir := r.path("blobs")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return task{}, err
		}
		raw, err := json.Marshal(urls)
		if err != nil {
			return task{}, err
		}
		argv := []string{e.self, "limit", "download", string(raw), dir}
		if curl != "" {
			argv = []string{curl, "-sS", "-f", "-Z", "--parallel-immediate", "--parallel-max", "50"}
			for i, url := range urls {
				argv = append(argv, "-o", filepath.Join(dir, strconv.Itoa(i)), url)
			}
		}
		return task{argv: [][]string{argv}, out: []string{dir}, check: sizeIs(dir, total)}, nil
	}}
}

// sizeIs checks what is not verified otherwise.
func sizeIs(dir string, want int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) {
		got, err := treeSize(dir)
		if err == nil && got != want {
			err = errSize(got, want)
		}
		return got, err
	}
}
