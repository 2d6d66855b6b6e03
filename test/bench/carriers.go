//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
)

// carrier is a tool that makes what is carried across, in a directory.
func (c *crossing) carrier(tool string, commands func(dir string) [][]string,
	check func(ctx context.Context, r *round, dir string) error) contender {
	return c.present(contender{tool: tool, task: func(_ context.Context, r *round) (task, error) {
		dir := r.path("carried")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return task{}, err
		}
		return task{argv: commands(dir), out: []string{dir}, check: func(ctx context.Context) (int64, error) {
			if err := check(ctx, r, dir); err != nil {
				return 0, err
			}
			return treeSize(dir)
		}}, nil
	}})
}

// own are drayage's ways: all of it, and without what the far side has, by what is known of it.
func (c *crossing) own() []contender {
	thin := func(tool string, known func(ctx context.Context, r *round) ([]string, error)) contender {
		return c.present(contender{tool: tool, task: func(ctx context.Context, r *round) (task, error) {
			file := r.path("thin.tar")
			flags, err := known(ctx, r)
			argv := append(append([]string{"save"}, refs(c.near.addr, c.new)...), append(flags, "-o", file)...)
			return task{argv: [][]string{c.drayage(argv...)}, out: []string{file},
				check: func(ctx context.Context) (int64, error) { return c.checkThin(ctx, r, file) }}, err
		}})
	}
	return []contender{
		thin("drayage", func(ctx context.Context, r *round) ([]string, error) {
			file := filepath.Join(c.dir, "far.inv")
			return []string{"--since", file}, c.ensure(ctx, r, file,
				append([]string{"inventory", "-o", file}, repositories(c.far.addr, c.old)...)...)
		}),
		thin("drayage --since last.tar", func(ctx context.Context, r *round) ([]string, error) {
			file := filepath.Join(c.dir, "last.tar")
			return []string{"--since", file}, c.ensure(ctx, r, file,
				append([]string{"save", "--format", "oci", "-o", file}, refs(c.near.addr, c.old)...)...)
		}),
		thin("drayage --since REPOSITORY", func(context.Context, *round) (flags []string, _ error) {
			for _, name := range repositories(c.far.addr, c.old) {
				flags = append(flags, "--since", name)
			}
			return flags, nil
		}),
		c.carrier("drayage whole", func(dir string) [][]string {
			file := filepath.Join(dir, "images.tar")
			return [][]string{c.drayage(append([]string{"save", "--format", "oci", "-o", file},
				refs(c.near.addr, c.new)...)...)}
		}, c.holds),
	}
}

// ensure makes a file of what the far side has, which is not measured.
func (c *crossing) ensure(ctx context.Context, r *round, file string, args ...string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	return r.runAll(ctx, [][]string{c.drayage(args...)})
}

// peers carry all that the images have, each in its own way. Those that take one image at a time make a file
// for each.
func (c *crossing) peers(ctx context.Context) (all []contender) {
	each := func(of func(dir string, n int, img image) []string) func(dir string) [][]string {
		return func(dir string) (commands [][]string) {
			for n, img := range c.new {
				commands = append(commands, of(dir, n, img))
			}
			return commands
		}
	}
	file := func(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("%d.tar", n)) }
	for _, name := range skopeos[:1] { // the newer one writes as many bytes
		all = append(all,
			c.carrier(name+" oci-archive:", each(func(dir string, n int, img image) []string {
				return c.skopeo(name, "docker://"+ref(c.near.addr, img), "oci-archive:"+file(dir, n)+":"+img.Name)
			}), c.holds),
			c.carrier(name+" oci:", each(func(dir string, n int, img image) []string {
				return c.skopeo(name, "docker://"+ref(c.near.addr, img), "oci:"+dir+":"+fmt.Sprint(n))
			}), func(_ context.Context, _ *round, dir string) error { _, err := checkLayout(dir, c.new); return err }))
	}
	all = append(all,
		c.carrier("crane pull", func(dir string) [][]string {
			return [][]string{append(append([]string{c.tools.path("crane"), "pull"}, refs(c.near.addr, c.new)...),
				file(dir, 0))}
		}, c.holds),
		c.carrier("regctl image export", each(func(dir string, n int, img image) []string {
			return c.regctl(c.near.addr, "image", "export", ref(c.near.addr, img), file(dir, n))
		}), c.holds),
		c.carrier("oras backup", each(func(dir string, n int, img image) []string {
			return []string{c.tools.path("oras"), "backup", "--no-tty", "--plain-http", "--output", file(dir, n),
				ref(c.near.addr, img)}
		}), c.holds),
		c.carrier("hauler store save", c.hauler, c.anything))
	return append([]contender{c.saveOfDocker(ctx)}, all...)
}

// saveOfDocker pulls and saves, layers unpacked.
func (c *crossing) saveOfDocker(ctx context.Context) contender {
	make := func(_ context.Context, r *round, d *dockerDaemon) (task, error) {
		dir := r.path("carried")
		t := task{out: []string{dir}}
		for _, name := range refs(c.near.addr, c.new) {
			t.argv = append(t.argv, d.command("pull", "-q", name))
		}
		t.argv = append(t.argv, d.command(append([]string{"save", "-o", filepath.Join(dir, "images.tar")},
			refs(c.near.addr, c.new)...)...))
		t.check = func(ctx context.Context) (int64, error) {
			if err := c.holds(ctx, r, dir); err != nil {
				return 0, err
			}
			return treeSize(dir)
		}
		return t, os.Mkdir(dir, 0o700)
	}
	return c.dockerContender(ctx, "docker save", make)
}

// hauler keeps a store of its own and makes one file of it. Only the file is carried.
func (c *crossing) hauler(dir string) (commands [][]string) {
	store := filepath.Join(c.dir, "hauler-"+filepath.Base(filepath.Dir(dir)))
	tool := c.tools.path("hauler")
	for _, name := range refs(c.near.addr, c.new) {
		commands = append(commands, []string{tool, "store", "add", "image", name, "--store", store})
	}
	return append(commands, []string{tool, "store", "save", "--store", store, "--filename",
		filepath.Join(dir, "haul.tar.zst")})
}

// anything is asked of what this package cannot open: that it is there.
func (c *crossing) anything(_ context.Context, _ *round, dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) == 0 {
		err = errors.New("nothing was written")
	}
	return err
}

// holds looks for every layer of the new images in the tars of a directory, as the registry has it or
// unpacked.
func (c *crossing) holds(_ context.Context, _ *round, dir string) error {
	found := map[digest.Digest]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".tar") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		digests, _, _, err := readTar(f)
		for _, dgst := range digests {
			found[dgst] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, img := range c.new {
		for i, l := range img.Layers {
			if !found[l.Digest] && !found[img.DiffIDs[i]] {
				return fmt.Errorf("layer %s of %s is not there", l.Digest, img.Name)
			}
		}
	}
	return nil
}
