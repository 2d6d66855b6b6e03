//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Archives in volumes, beside the same archive in one file, and beside split, sha256sum and par2.

// cut names the archive that is cut. A tool that cuts writes into a directory of its own.
const cut = "images.tar"

// ways are drayage's ways to write an archive. The first one is the one file that the others are compared
// with.
func ways(e *env) []way {
	size := fmt.Sprint(e.volume(64))
	return []way{
		{name: "drayage"},
		{name: "drayage --volume-size", flags: []string{"--volume-size", size}},
		{name: "drayage --parity 2", flags: []string{"--volume-size", size, "--parity", "2"}},
	}
}

type way struct {
	name  string
	flags []string
}

// volume is the size of a volume in MiB, or less of it where images are smaller.
func (e *env) volume(mebibytes int64) int64 {
	const block = 4 << 20
	return max(mebibytes<<20*int64(e.Scale)/100/block, 1) * block
}

func volumeScenarios() []scenario {
	return []scenario{
		{id: "volumes-save-docker", title: "layout to docker tar, in volumes", prepare: saveVolumes("docker"),
			targets: []target{slowerAtMost("drayage --volume-size", 1.05), memoryBelow(100)}},
		{id: "volumes-save-oci", title: "layout to OCI tar, in volumes", prepare: saveVolumes("oci"),
			targets: []target{slowerAtMost("drayage --volume-size", 1.05), memoryBelow(100)}},
		{id: "volumes-sign", title: "layout to OCI tar, signed", prepare: signVolumes,
			targets: []target{slowerAtMost("drayage --sign", 1.15), memoryBelow(100)}},
		{id: "volumes-verify", title: "verify an OCI tar, in volumes", prepare: verifyVolumes,
			targets: []target{slowerAtMost("drayage --volume-size", 1.5), memoryBelow(100)}},
		{id: "volumes-push", title: "OCI tar to registry, in volumes", prepare: pushVolumes,
			targets: []target{slowerAtMost("drayage --volume-size", 1.15), memoryBelow(100)}},
		{id: "volumes-repair", title: "repair two of ten volumes of 256 MiB", prepare: repairVolumes,
			targets: []target{fasterThan("par2", "drayage", 3), memoryBelow(64)}},
	}
}

// slowerAtMost compares a way of drayage with the one file.
func slowerAtMost(with string, factor float64) target {
	text := fmt.Sprintf("%s at most %s the time of one file", with, times(factor))
	return target{text, func(_ *Report, r *Result) (string, bool, bool) {
		own, plain := r.row(with), r.row("drayage")
		if own == nil || plain == nil || !own.measured() || !plain.measured() {
			return "not measured", false, false
		}
		ratio := own.wall().Seconds() / plain.wall().Seconds()
		return times(ratio), ratio <= factor, true
	}}
}

// saveVolumes cuts a tar, by drayage or behind it.
func saveVolumes(format string) preparation {
	return func(ctx context.Context, e *env) ([]contender, func(), error) {
		d, err := e.set(ctx, "five")
		if err != nil {
			return nil, nil, err
		}
		save := func(dir string, flags ...string) []string {
			return e.drayage(append([]string{"save", "--format", format, d.layout(), "-o",
				filepath.Join(dir, cut)}, flags...)...)
		}
		var all []contender
		for _, w := range ways(e) {
			all = append(all, e.cutter(w.name, d, format, func(dir string) [][]string {
				return [][]string{save(dir, w.flags...)}
			}))
		}
		size := fmt.Sprint(e.volume(64))
		return append(all,
			e.cutter("split behind drayage", d, format, func(dir string) [][]string {
				return [][]string{save(dir), splitting(dir, size)}
			}),
			e.cutter("split and par2 behind drayage", d, format, func(dir string) [][]string {
				return [][]string{save(dir), splitting(dir, size), {"sh", "-c",
					"cd " + dir + " && par2 create -q -q -s" + size + " -c2 " + cut + ".par2 " + cut + ".0*"}}
			})), nil, nil
	}
}

// splitting cuts a tar with the programs that every Linux has.
func splitting(dir, size string) []string {
	return []string{
		"sh",
		"-c",
		"cd " + dir + " && split -b " + size + " -a 3 --numeric-suffixes=1 " + cut + " " +
			cut + ". && rm " + cut + " && sha256sum " + cut + ".* >SHA256SUMS",
	}
}

// cutter makes files in a directory. The tar of the volumes must be right.
func (e *env) cutter(tool string, d *dataset, format string, commands func(dir string) [][]string) contender {
	c := contender{tool: tool, task: func(_ context.Context, r *round) (task, error) {
		dir := r.path("volumes")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return task{}, err
		}
		return task{argv: commands(dir), out: []string{dir}, check: func(ctx context.Context) (int64, error) {
			size, err := treeSize(dir)
			if err != nil {
				return 0, err
			}
			file, err := r.joined(ctx, dir)
			if err != nil {
				return 0, err
			}
			_, err = checkTar(file, d.Images[0], format == "docker")
			return size, err
		}}, nil
	}}
	if strings.Contains(tool, "par2") && e.tools.path("par2") == "" {
		c.whyNot = "not here"
	}
	return c
}

// joined is the whole archive of a directory.
func (r *round) joined(ctx context.Context, dir string) (string, error) {
	file := filepath.Join(dir, cut)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	return file, r.runAll(ctx, [][]string{{"sh", "-c", "cat " + file + ".0* >" + file}})
}

// written makes an archive in each of drayage's ways, once for a scenario, and returns what reads it.
func (e *env) written(ctx context.Context, set string, all []way) (sources map[string]string, done func(),
	err error) {
	d, err := e.set(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	top, err := os.MkdirTemp(e.dir, "written-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { os.RemoveAll(top) }
	sources = map[string]string{}
	r := &round{env: e, dir: top}
	for i, w := range all {
		dir := filepath.Join(top, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, done, err
		}
		source := filepath.Join(dir, cut)
		argv := e.drayage(append([]string{"save", "--format", "oci", d.layout(), "-o", source}, w.flags...)...)
		if err := r.runAll(ctx, [][]string{argv}); err != nil {
			return nil, done, err
		}
		if w.flags != nil {
			source += ".set"
		}
		sources[w.name] = source
	}
	return sources, done, nil
}

func verifyVolumes(ctx context.Context, e *env) ([]contender, func(), error) {
	sources, done, err := e.written(ctx, "five", ways(e))
	if err != nil {
		return nil, done, err
	}
	var all []contender
	for _, w := range ways(e) {
		source := sources[w.name]
		all = append(all, contender{tool: w.name, task: func(_ context.Context, r *round) (task, error) {
			return task{argv: [][]string{r.drayage("verify", source)},
				check: func(context.Context) (int64, error) { return treeSize(filepath.Dir(source)) }}, nil
		}})
	}
	return all, done, nil
}

func pushVolumes(ctx context.Context, e *env) ([]contender, func(), error) {
	sources, done, err := e.written(ctx, "five", ways(e)[:2])
	if err != nil {
		return nil, done, err
	}
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, done, err
	}
	var all []pusher
	for _, w := range ways(e)[:2] {
		all = append(all, pusher{tool: w.name, commands: func(to, _ string) [][]string {
			return [][]string{e.drayage("push", sources[w.name], to)}
		}})
	}
	return e.pushes(d.Images[0], true, all...), done, nil
}

// repairVolumes makes the two volumes that are lost again. The others are links to the same files for every
// tool, for nobody changes them.
func repairVolumes(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "volumes")
	if err != nil {
		return nil, nil, err
	}
	top, err := os.MkdirTemp(e.dir, "whole-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { os.RemoveAll(top) }
	size := e.volume(256)
	r := &round{env: e, dir: top}
	if err := r.runAll(ctx, [][]string{e.drayage("save", d.layout(), "-o", filepath.Join(top, cut),
		"--volume-size", fmt.Sprint(size), "--parity", "2")}); err != nil {
		return nil, done, err
	}
	all := []contender{e.mender("drayage", top, cut+"*", func(dir string) []string {
		return e.drayage("repair", filepath.Join(dir, cut+".set"))
	})}
	for _, of := range []struct {
		name   string
		blocks string
	}{
		{"par2", fmt.Sprintf("-s%d -c2", size)},
		{"par2 with blocks of a quarter", fmt.Sprintf("-s%d -c8", size/4)},
	} {
		set := strings.ReplaceAll(of.name, " ", "-")
		c := e.mender(of.name, top, "{"+cut+".0*,"+set+"*}", func(dir string) []string {
			return []string{e.tools.path("par2"), "repair", "-q", "-q", filepath.Join(dir, set+".par2")}
		})
		if c.whyNot == "" {
			if err := r.runAll(ctx, [][]string{{"sh", "-c", "cd " + top + " && " + e.tools.path("par2") +
				" create -q -q " + of.blocks + " " + set + ".par2 " + cut + ".0*"}}); err != nil {
				return nil, done, err
			}
		}
		all = append(all, c)
	}
	return all, done, nil
}

// mender makes two volumes again in a directory that has all the others.
func (e *env) mender(tool, top, pattern string, command func(dir string) []string) contender {
	lost := []string{cut + ".003", cut + ".007"}
	return e.present(contender{tool: tool, task: func(ctx context.Context, r *round) (task, error) {
		dir := r.path("volumes")
		var out []string
		for _, name := range lost {
			out = append(out, filepath.Join(dir, name))
		}
		return task{argv: [][]string{command(dir)}, out: out,
			before: func(ctx context.Context) error {
				return r.runAll(
					ctx,
					[][]string{{"bash", "-c", "mkdir " + dir + " && ln " + top + "/" + pattern + " " + dir +
						" && cd " + dir + " && rm " + strings.Join(lost, " ")}},
				)
			},
			check: func(ctx context.Context) (size int64, err error) {
				for _, name := range lost {
					sum, n, wrong := hashFile(filepath.Join(top, name))
					err = errors.Join(err, wrong, checkFile(filepath.Join(dir, name), sum))
					size += n
				}
				return size, err
			}}, nil
	}})
}

func hashFile(path string) (digest.Digest, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	sum, err := digest.Canonical.FromReader(f)
	return sum, info.Size(), err
}

// signVolumes compares an archive that is signed with the same one that is not.
func signVolumes(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, nil, err
	}
	top, err := os.MkdirTemp(e.dir, "keys-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { os.RemoveAll(top) }
	r := &round{env: e, dir: top}
	key := filepath.Join(top, "bench.key")
	if err := r.runAll(ctx, [][]string{{e.tools.path("drayage"), "keygen", "-o", key,
		"--no-password"}}); err != nil {
		return nil, done, err
	}
	size := fmt.Sprint(e.volume(64))
	var all []contender
	for _, w := range []way{
		{name: "drayage"},
		{name: "drayage --sign", flags: []string{"--sign", key}},
		{name: "drayage --volume-size --sign", flags: []string{"--volume-size", size, "--sign", key}},
	} {
		all = append(all, e.cutter(w.name, d, "oci", func(dir string) [][]string {
			return [][]string{e.drayage(append([]string{"save", "--format", "oci", d.layout(), "-o",
				filepath.Join(dir, cut)}, w.flags...)...)}
		}))
	}
	return all, done, nil
}
