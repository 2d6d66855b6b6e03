//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/test/wire"
)

// pair is an update: images that the far side has, and those that are to cross.
type pair struct {
	id, title string
	old, new  func(name string) bool
}

func named(names ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

func serviceTag(tag string) func(string) bool {
	return func(name string) bool {
		return strings.HasPrefix(name, "cross/service-") && strings.HasSuffix(name, ":"+tag)
	}
}

// updates are those of the page about what crosses, in its order.
var updates = []pair{
	{"app", "an application rebuilt on the same base", named("cross/app:1"), named("cross/app:2")},
	{"twenty", "twenty images with a shared base, three of them rebuilt", serviceTag("1"), serviceTag("2")},
	{"upgrade", "packages upgraded in a layer of their own", named("cross/upgraded:1"),
		named("cross/upgraded:2")},
	{"twenty-base", "twenty images with a shared base, on a new base", serviceTag("1"), serviceTag("3")},
	{"debian", "a base image of one layer, made anew", named("cross/debian:1"), named("cross/debian:2")},
}

func crossScenarios() (all []scenario) {
	for _, p := range updates {
		most := new(int64)
		all = append(all, scenario{id: "cross-" + p.id, title: "what crosses: " + p.title,
			prepare: func(ctx context.Context, e *env) ([]contender, func(), error) { return p.prepare(ctx, e, most) },
			targets: []target{onlyMissing(most), memoryBelow(100)}, bytes: true})
	}
	return all
}

// onlyMissing compares what crosses with what is missing.
func onlyMissing(most *int64) target {
	return target{"at most the missing layers, manifests, configurations and 64 KiB",
		func(_ *Report, r *Result) (string, bool, bool) {
			own := r.row("drayage")
			if own == nil || !own.measured() {
				return "not measured", false, false
			}
			return fmt.Sprintf("%d of %d bytes", own.Output, *most), own.Output <= *most, true
		}}
}

// crossing is what all contenders of an update share.
type crossing struct {
	*env
	set       *dataset
	near, far *server
	dir       string // of what the far side has told
	old, new  []image
	arrived   bool // what was left out is at the far side
}

func (p pair) prepare(ctx context.Context, e *env, most *int64) ([]contender, func(), error) {
	d, err := e.set(ctx, pairs)
	if err != nil {
		return nil, nil, err
	}
	c := &crossing{env: e, set: d}
	for _, img := range d.Images {
		if p.old(img.Name) {
			c.old = append(c.old, img)
		}
		if p.new(img.Name) {
			c.new = append(c.new, img)
		}
	}
	*most = c.mayCross()
	if c.dir, err = os.MkdirTemp(e.dir, "far-"); err != nil {
		return nil, nil, err
	}
	if c.near, err = e.serve(ctx, "registry", d.storage(), "0s"); err != nil {
		return nil, nil, err
	}
	if c.far, err = c.farSide(ctx, filepath.Join(c.dir, "registry")); err != nil {
		return nil, nil, errors.Join(err, c.near.stop())
	}
	return slices.Concat(c.own(), c.peers(ctx)), func() { c.far.stop(); c.near.stop() }, nil
}

// farSide is a registry that has the old images.
func (c *crossing) farSide(ctx context.Context, dir string) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	s, err := c.serve(ctx, "registry", dir, "0s")
	if err != nil {
		return nil, err
	}
	for _, img := range c.old {
		if err := c.set.push(ctx, img, "http://"+s.addr); err != nil {
			return nil, errors.Join(err, s.stop())
		}
	}
	return s, nil
}

// refs are the names of images in a registry.
func refs(addr string, images []image) (all []string) {
	for _, img := range images {
		all = append(all, ref(addr, img))
	}
	return all
}

// repositories are those of images in a registry, without tags.
func repositories(addr string, images []image) (all []string) {
	for _, img := range images {
		name, _ := splitName(img.Name)
		all = append(all, addr+"/"+name)
	}
	return all
}

// missing are the layers that the far side does not have.
func (c *crossing) missing() map[digest.Digest]int64 {
	all := map[digest.Digest]int64{}
	for _, img := range c.new {
		for _, l := range img.Layers {
			all[l.Digest] = l.Size
		}
	}
	for _, img := range c.old {
		for _, l := range img.Layers {
			delete(all, l.Digest)
		}
	}
	return all
}

// allowance is what an archive of the missing layers may have besides them and besides manifests and
// configurations.
const allowance = 64 << 10

// mayCross is the most that an archive may have.
func (c *crossing) mayCross() (most int64) {
	seen := c.missing()
	for _, img := range c.new {
		seen[img.Manifest.Digest], seen[img.Config.Digest] = img.Manifest.Size, img.Config.Size
	}
	for _, size := range seen {
		most += size
	}
	return most + allowance
}

// checkThin asks of an archive that it holds what the far side lacks, that it holds no more, and that the far
// side makes the images of it.
func (c *crossing) checkThin(ctx context.Context, r *round, file string) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	inside, _, _, err := readTar(f)
	if err != nil {
		return 0, err
	}
	missing, is := c.missing(), map[digest.Digest]bool{}
	for _, dgst := range inside {
		is[dgst] = true
	}
	for _, img := range c.new {
		if !is[img.Manifest.Digest] || !is[img.Config.Digest] {
			return 0, fmt.Errorf("%s: manifest inside: %v, configuration: %v", img.Name, is[img.Manifest.Digest],
				is[img.Config.Digest])
		}
		for _, l := range img.Layers {
			if _, ok := missing[l.Digest]; is[l.Digest] != ok {
				return 0, fmt.Errorf("%s: inside: %v, missing at the far side: %v", l.Digest, is[l.Digest], ok)
			}
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if most := c.mayCross(); info.Size() > most {
		return 0, fmt.Errorf("%d bytes, more than %d", info.Size(), most)
	}
	if c.arrived {
		return info.Size(), nil // another contender has shown that
	}
	return info.Size(), c.checkArrival(ctx, r, file)
}

// checkArrival pushes an archive to a registry that has the old images.
func (c *crossing) checkArrival(ctx context.Context, r *round, file string) error {
	s, err := c.farSide(ctx, r.path("arrival"))
	if err != nil {
		return err
	}
	defer s.stop()
	if err := r.runAll(ctx, [][]string{c.drayage("push", file, s.addr+"/")}); err != nil {
		return err
	}
	seen := map[digest.Digest]bool{} // the registry has a blob once
	for _, img := range c.new {
		repository, tag := splitName(img.Name)
		repo := &wire.Repository{URL: "http://" + s.addr, Name: repository}
		m, err := repo.Manifest(ctx, tag)
		if err != nil || m.Digest != img.Manifest.Digest {
			return fmt.Errorf("%s is %s, not %s: %v", img.Name, m.Digest, img.Manifest.Digest, err)
		}
		for i, l := range img.Layers {
			if !seen[l.Digest] {
				err = checkBlob(ctx, repo, l, img.DiffIDs[i])
			}
			if seen[l.Digest] = true; err != nil {
				return fmt.Errorf("%s: %v", img.Name, err)
			}
		}
	}
	c.arrived = true
	return nil
}
