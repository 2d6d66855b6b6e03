//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// pusher is a tool that sends something to an empty registry. first is not measured; it is a push before the
// push.
type pusher struct {
	tool     string
	commands func(to string, addr string) [][]string
	first    func(to string, addr string) [][]string
}

// pushes are contenders that push an image under the name that it has. With exact, the manifest has to arrive
// as it is.
func (e *env) pushes(img image, exact bool, all ...pusher) (contenders []contender) {
	for _, p := range all {
		contenders = append(contenders,
			e.present(contender{tool: p.tool, task: func(ctx context.Context, r *round) (task, error) {
				s, err := r.emptyRegistry(ctx)
				if err != nil {
					return task{}, err
				}
				t := task{argv: p.commands(ref(s.addr, img), s.addr), registry: s}
				if p.first != nil {
					t.before = func(ctx context.Context) error { return r.runAll(ctx, p.first(ref(s.addr, img), s.addr)) }
				}
				t.check = func(ctx context.Context) (int64, error) { return checkPushed(ctx, s, img.Name, img, exact) }
				return t, nil
			}}))
	}
	return contenders
}

// emptyRegistry is a registry of this round alone.
func (r *round) emptyRegistry(ctx context.Context) (*server, error) {
	dir := r.path("registry")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	s, err := r.serve(ctx, "registry", dir, "0s")
	if err != nil {
		return nil, err
	}
	r.cleanup = append(r.cleanup, func() { s.stop() })
	return s, nil
}

// runAll runs commands that are not measured, in the same environment.
func (r *round) runAll(ctx context.Context, commands [][]string) error {
	for _, argv := range commands {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = r.environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v: %s", argv[0], err, out)
		}
	}
	return nil
}

// pushDockerTar compresses the layers of what docker save has written.
func pushDockerTar(ctx context.Context, e *env, set string) ([]contender, func(), error) {
	d, err := e.set(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	img := d.Images[0]
	file, err := d.dockerTar(ctx, img)
	if err != nil {
		return nil, nil, err
	}
	all := e.pushes(img, false, append(e.settings(file), e.tarPushers(file, img)...)...)
	all = append(all, cannot("oras", "reads no docker-save tar"), e.dockerPush(ctx, img, file))
	return all, nil, nil
}

// settings are drayage's ways to compress.
func (e *env) settings(file string) (all []pusher) {
	for _, setting := range []struct {
		name  string
		flags []string
	}{
		{"drayage", nil},
		{smaller, []string{"--compression-level", smallerLevel}},
		{zstandard, []string{"--compression", "zstd"}},
	} {
		all = append(all, pusher{tool: setting.name, commands: func(to, _ string) [][]string {
			return [][]string{e.drayage(append([]string{"push", file, to}, setting.flags...)...)}
		}})
	}
	return all
}

const (
	smallerLevel = "6"
	smaller      = "drayage --compression-level " + smallerLevel
	zstandard    = "drayage --compression zstd"
)

// tarPushers are the other tools without an engine that read a docker-save tar.
func (e *env) tarPushers(file string, img image) []pusher {
	all := []pusher{{tool: "crane", commands: func(to, _ string) [][]string {
		return [][]string{{e.tools.path("crane"), "push", file, to}}
	}}}
	for _, name := range skopeos {
		all = append(all, pusher{tool: name, commands: func(to, _ string) [][]string {
			return [][]string{e.skopeo(name, "docker-archive:"+file, "docker://"+to)}
		}})
	}
	return append(all, pusher{tool: "regctl", commands: func(to, addr string) [][]string {
		return [][]string{e.regctl(addr, "image", "import", to, file)}
	}})
}

// dockerPush loads the tar first, for Docker pushes what it has.
func (e *env) dockerPush(ctx context.Context, img image, file string) contender {
	return e.dockerContender(ctx, "docker load, push",
		func(ctx context.Context, r *round, docker *dockerDaemon) (task, error) {
			s, err := r.emptyRegistry(ctx)
			if err != nil {
				return task{}, err
			}
			to := ref(s.addr, img)
			return task{
				argv: [][]string{docker.command("load", "-q", "-i", file), docker.command("tag", img.Name, to),
					docker.command("push", "-q", to)},
				registry: s,
				check:    func(ctx context.Context) (int64, error) { return checkPushed(ctx, s, img.Name, img, false) },
			}, nil
		})
}

// pushOCITar sends layers as they are. crane reads its own tar only, which is made by it.
func pushOCITar(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, nil, err
	}
	o, err := direct(ctx, e, d.storage())
	if err != nil {
		return nil, nil, err
	}
	defer o.stop()
	img := d.Images[0]
	_, tag := splitName(img.Name)
	file, err := d.ociTar(ctx, img)
	if err != nil {
		return nil, nil, err
	}
	all := []pusher{{tool: "drayage", commands: func(to, _ string) [][]string {
		return [][]string{e.drayage("push", file, to)}
	}}}
	for _, name := range skopeos {
		all = append(all, pusher{tool: name, commands: func(to, _ string) [][]string {
			return [][]string{e.skopeo(name, "oci-archive:"+file+":"+tag, "docker://"+to)}
		}})
	}
	all = append(all,
		pusher{tool: "regctl", commands: func(to, addr string) [][]string {
			return [][]string{e.regctl(addr, "image", "import", to, file)}
		}},
		pusher{tool: "oras", commands: func(to, _ string) [][]string {
			return [][]string{{e.tools.path("oras"), "copy", "--no-tty", "--to-plain-http", "--from-oci-layout",
				file + ":" + tag, to}}
		}})
	contenders := e.pushes(img, true, all...)
	craneTar := filepath.Join(e.dir, "crane.tar")
	crane := e.present(contender{tool: craneOwn})
	if crane.whyNot == "" {
		r := &round{env: e, dir: e.dir}
		if err := r.runAll(ctx, [][]string{{e.tools.path("crane"), "pull", ref(o.addr, img),
			craneTar}}); err != nil {
			return nil, nil, err
		}
		crane = e.pushes(img, false, pusher{tool: craneOwn, commands: func(to, _ string) [][]string {
			return [][]string{{e.tools.path("crane"), "push", craneTar, to}}
		}})[0]
	}
	return append(contenders, crane, cannot("docker", "20.10 unpacks what it loads")), nil, nil
}

const craneOwn = "crane on its own tar"

// pushAgain pushes a tar that has been pushed, to the same place.
func pushAgain(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, nil, err
	}
	img := d.Images[0]
	file, err := d.dockerTar(ctx, img)
	if err != nil {
		return nil, nil, err
	}
	all := append([]pusher{e.settings(file)[0]}, e.tarPushers(file, img)...)
	for i := range all {
		all[i].first = all[i].commands
	}
	return e.pushes(img, false, all...), nil, nil
}

// pushSharedBase pushes the second of two images, each in a tar of its own, that have the same base.
func pushSharedBase(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "twenty")
	if err != nil {
		return nil, nil, err
	}
	first, err := d.dockerTar(ctx, d.Images[0])
	if err != nil {
		return nil, nil, err
	}
	second, err := d.dockerTar(ctx, d.Images[1])
	if err != nil {
		return nil, nil, err
	}
	before := append([]pusher{e.settings(first)[0]}, e.tarPushers(first, d.Images[0])...)
	all := append([]pusher{e.settings(second)[0]}, e.tarPushers(second, d.Images[1])...)
	for i := range all {
		all[i].first = func(_, addr string) [][]string { return before[i].commands(ref(addr, d.Images[0]), addr) }
	}
	return e.pushes(d.Images[1], false, all...), nil, nil
}
