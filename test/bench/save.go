//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

func errSize(got, want int64) error { return fmt.Errorf("%d bytes instead of %d", got, want) }

// saver is a tool that makes one file.
func (e *env) saver(tool string, img image, unpacked bool, commands func(file string) [][]string) contender {
	return e.present(contender{tool: tool, task: func(_ context.Context, r *round) (task, error) {
		file := r.path("image.tar")
		return task{argv: commands(file), out: []string{file}, check: func(context.Context) (int64, error) {
			return checkTar(file, img, unpacked)
		}}, nil
	}})
}

// dockerTarSavers have layers uncompressed, as docker save wrote them up to version 24.
func dockerTarSavers(ctx context.Context, e *env, d *dataset, addr string) []contender {
	img := d.Images[0]
	from := ref(addr, img)
	all := []contender{
		e.saver("drayage", img, true, func(file string) [][]string {
			return [][]string{e.drayage("save", from, "-o", file)}
		}),
		e.saver("crane", img, true, func(file string) [][]string {
			return [][]string{{e.tools.path("crane"), "pull", "--format=legacy", from, file}}
		}),
	}
	for _, name := range skopeos {
		all = append(all, e.saver(name, img, true, func(file string) [][]string {
			return [][]string{e.skopeo(name, "docker://"+from, "docker-archive:"+file+":"+img.Name)}
		}))
	}
	urls, _ := d.urls(addr)
	return append(all, cannot("regctl", "leaves layers compressed"), cannot("oras", "leaves layers compressed"),
		e.dockerContender(ctx, "docker", func(_ context.Context, r *round, docker *dockerDaemon) (task, error) {
			file := r.path("image.tar")
			return task{argv: [][]string{docker.command("pull", "-q", from), docker.command("save", "-o", file, from)},
				out:   []string{file},
				check: func(context.Context) (int64, error) { return checkTar(file, img, true) }}, nil
		}),
		e.unpackLimit("limit: parallel GET, gunzip, sha256, write", urls))
}

func layoutToDockerTar(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, nil, err
	}
	img := d.Images[0]
	_, tag := splitName(img.Name)
	all := []contender{
		e.saver("drayage", img, true, func(file string) [][]string {
			return [][]string{e.drayage("save", d.layout(), "-o", file)}
		}),
		cannot("crane", "does not save from a layout"),
	}
	for _, name := range skopeos {
		all = append(all, e.saver(name, img, true, func(file string) [][]string {
			return [][]string{e.skopeo(name, "oci:"+d.layout()+":"+tag, "docker-archive:"+file+":"+img.Name)}
		}))
	}
	var files []string
	for _, desc := range img.Layers {
		files = append(files, d.blob(desc.Digest.Encoded()))
	}
	return append(all, cannot("regctl", "leaves layers compressed"), cannot("oras", "leaves layers compressed"),
		cannot("docker", "reads no layout"),
		e.unpackLimit("limit: parallel gunzip, sha256, write", files)), nil, nil
}

// ociTarSavers leave layers as they are. Each tool writes its own format.
func ociTarSavers(_ context.Context, e *env, d *dataset, addr string) []contender {
	img := d.Images[0]
	_, tag := splitName(img.Name)
	from := ref(addr, img)
	all := []contender{
		e.saver("drayage", img, false, func(file string) [][]string {
			return [][]string{e.drayage("save", "--format", "oci", from, "-o", file)}
		}),
		e.saver("crane", img, false, func(file string) [][]string {
			return [][]string{{e.tools.path("crane"), "pull", from, file}}
		}),
	}
	for _, name := range skopeos {
		all = append(all, e.layoutTar(name, img, func(file string) [][]string {
			return [][]string{e.skopeo(name, "docker://"+from, "oci-archive:"+file+":"+tag)}
		}))
	}
	return append(all,
		e.layoutTar("regctl", img, func(file string) [][]string {
			return [][]string{e.regctl(addr, "image", "export", from, file)}
		}),
		e.layoutTar("oras", img, func(file string) [][]string {
			return [][]string{{e.tools.path("oras"), "backup", "--no-tty", "--plain-http", "--output", file, from}}
		}),
		cannot("docker", "its save unpacks layers"), e.downloadLimit(d, addr))
}

// layoutTar is a saver whose tar may have no manifest.json: every blob of the image has to be there.
func (e *env) layoutTar(tool string, img image, commands func(file string) [][]string) contender {
	return e.present(contender{tool: tool, task: func(_ context.Context, r *round) (task, error) {
		file := r.path("image.tar")
		return task{argv: commands(file), out: []string{file}, check: func(context.Context) (int64, error) {
			return checkLayoutTar(file, img)
		}}, nil
	}})
}

// unpackLimit reads, decompresses, hashes and writes all layers side by side, without being a tar.
func (e *env) unpackLimit(name string, sources []string) contender {
	return contender{tool: name, limit: true, task: func(_ context.Context, r *round) (task, error) {
		raw, err := json.Marshal(sources)
		if err != nil {
			return task{}, err
		}
		file := r.path("unpacked")
		return task{argv: [][]string{{e.self, "limit", "unpack", string(raw), file}}, out: []string{file},
			check: func(context.Context) (int64, error) {
				info, err := os.Stat(file)
				if err != nil {
					return 0, err
				}
				return allocated(info), nil
			}}, nil
	}}
}
