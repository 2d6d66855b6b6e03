//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
)

const (
	rate  = 20 * megabyte // bytes a second and request
	delay = "100ms"       // of each request
)

// fetchScenario is registry -> layout. by puts something between the registry and the tools.
func fetchScenario(set string, by func(context.Context, *env, string) (string, func(), error)) preparation {
	return func(ctx context.Context, e *env) ([]contender, func(), error) {
		d, err := e.set(ctx, set)
		if err != nil {
			return nil, nil, err
		}
		s, err := e.serve(ctx, "registry", d.storage())
		if err != nil {
			return nil, nil, err
		}
		addr, done := s.addr, func() {}
		if by != nil {
			if addr, done, err = by(ctx, e, s.addr); err != nil {
				s.stop()
				return nil, nil, err
			}
		}
		return e.fetchers(d, addr), func() { done(); s.stop() }, nil
	}
}

// fetchLimited adds what nginx takes of the same processors when it limits nothing.
func fetchLimited(ctx context.Context, e *env) ([]contender, func(), error) {
	all, stop, err := fetchScenario("five", limited)(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	free, stopFree, err := fetchScenario("five", unlimited)(ctx, e)
	if err != nil {
		stop()
		return nil, nil, err
	}
	bare := free[len(free)-1]
	bare.tool += ", no limit_rate"
	return append(all, bare), func() { stopFree(); stop() }, nil
}

// paced holds each response to the rate from its first byte.
func paced(ctx context.Context, e *env, addr string) (string, func(), error) {
	return e.behind(ctx, addr, strconv.Itoa(rate), "0s")
}

func farAway(ctx context.Context, e *env, addr string) (string, func(), error) {
	return e.behind(ctx, addr, "0", delay)
}

func (e *env) behind(ctx context.Context, addr, rate, delay string) (string, func(), error) {
	s, err := e.serve(ctx, "proxy", addr, rate, delay)
	if err != nil {
		return "", nil, err
	}
	return s.addr, func() { s.stop() }, nil
}

// fetchers fetch all images of a data set into one layout.
func (e *env) fetchers(d *dataset, addr string) []contender {
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
