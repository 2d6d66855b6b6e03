//go:build linux

package bench

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// pairs is the data set of images in two versions: what the far side has, and what is to cross. Debian's
// packages and the Go toolchain are what they are made of.
const pairs = "pairs"

// services are the images that share a base, and rebuilt how many of them have changed.
const (
	services = 20
	rebuilt  = 3
)

// pairSet makes the images of pairs. Layers are known by a name until all are there.
type pairSet struct {
	*dataset
	ctx    context.Context
	debs   string // a directory of packages
	layers []packed
	byName map[string]int
}

func (e *env) makePairs(ctx context.Context, d *dataset) error {
	p := &pairSet{dataset: d, ctx: ctx, debs: filepath.Join(e.Work, "debs"), byName: map[string]int{}}
	if err := p.allLayers(e.Scale); err != nil {
		return err
	}
	for _, im := range [][]string{
		{"cross/app:1", "base 2", "runtime", "app 1"}, {"cross/app:2", "base 2", "runtime", "app 2"},
		{"cross/debian:1", "base 1"}, {"cross/debian:2", "base 2"},
		{"cross/upgraded:1", "base 1"}, {"cross/upgraded:2", "base 1", "upgrade"},
	} {
		if err := p.image(im[0], im[1:]...); err != nil {
			return err
		}
	}
	for i := range services {
		name, first := fmt.Sprintf("cross/service-%02d", i+1), fmt.Sprint("service ", i+1)
		next := first
		if i < rebuilt {
			next += " rebuilt"
		}
		for tag, layers := range [][]string{{"base 1", first}, {"base 1", next}, {"base 2", first}} {
			if err := p.image(fmt.Sprintf("%s:%d", name, tag+1), layers...); err != nil {
				return err
			}
		}
	}
	return nil
}

// allLayers makes the layers. Where this program is tried out, they are small and of Go's sources.
func (p *pairSet) allLayers(scale int) error {
	if scale == 100 {
		if err := p.system(); err != nil {
			return err
		}
		if err := p.application(); err != nil {
			return err
		}
		return p.ofSources(5*megabyte, serviceLayers()...)
	}
	return p.ofSources(int64(scale)*megabyte/2,
		append([]string{"base 1", "base 2", "upgrade", "runtime", "app 1", "app 2"}, serviceLayers()...)...)
}

func (p *pairSet) image(name string, layers ...string) error {
	var of []int
	for _, l := range layers {
		of = append(of, p.byName[l])
	}
	img, err := p.addImage(name, of, p.layers)
	p.Images = append(p.Images, img)
	return err
}

// layer packs a layer and gives it a name.
func (p *pairSet) layer(name string, write func(io.Writer) error) error {
	l, err := p.packTar(write)
	if err != nil {
		return fmt.Errorf("layer %q: %w", name, err)
	}
	p.byName[name] = len(p.layers)
	p.layers = append(p.layers, l)
	return nil
}

// system makes the layers of packages: a base in two versions, what upgrades the first one in place, and an
// interpreter on the second.
func (p *pairSet) system() error {
	base, err := closure(p.ctx, baseSystem...)
	if err != nil {
		return err
	}
	all, err := closure(p.ctx, append(baseSystem, "python3", "curl", "ca-certificates")...)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	var upgraded, added []deb
	for _, d := range base {
		has[d.name] = true
		if d.changed() {
			upgraded = append(upgraded, d)
		}
	}
	for _, d := range all {
		if !has[d.name] {
			added = append(added, d)
		}
	}
	for _, l := range []struct {
		name            string
		content, status []deb
		version         func(deb) string
	}{
		{"base 1", base, base, oldVersion}, {"base 2", base, base, newVersion},
		{"upgrade", upgraded, base, newVersion}, {"runtime", added, all, newVersion},
	} {
		if err := p.debLayer(l.name, l.content, l.status, l.version); err != nil {
			return err
		}
	}
	return nil
}

func (p *pairSet) debLayer(name string, content, status []deb, version func(deb) string) error {
	installed, err := downloadDebs(p.ctx, p.debs, status, version)
	if err != nil {
		return err
	}
	files, err := downloadDebs(p.ctx, p.debs, content, version)
	if err != nil {
		return err
	}
	database, err := statusOf(p.ctx, installed)
	if err != nil {
		return err
	}
	return p.layer(name, func(w io.Writer) error { return unpackDebs(p.ctx, w, files, database) })
}

// application makes two layers of a program that was built twice: Go's own command.
func (p *pairSet) application() error {
	dir, err := os.MkdirTemp(p.dir, "app-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, build := range []string{"1", "2"} {
		file := filepath.Join(dir, build)
		cmd := exec.CommandContext(p.ctx, "go", "build", "-o", file, "-ldflags=-buildid="+build, "cmd/go")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %v: %s", err, oneLine(string(out)))
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		next := repeat(entry{path: file, name: "opt/app", size: info.Size()})
		if err := p.layer("app "+build, p.ofFiles(next, info.Size())); err != nil {
			return err
		}
	}
	return nil
}

func repeat(e entry) func() (entry, bool) { return func() (entry, bool) { return e, true } }

// ofFiles is a layer of what next names, until it has size bytes.
func (p *pairSet) ofFiles(next func() (entry, bool), size int64) func(io.Writer) error {
	return func(w io.Writer) error { return writeLayer(p.ctx, w, next, size) }
}

// serviceLayers are a layer for each service, and another one for each that was rebuilt.
func serviceLayers() (all []string) {
	for i := range services {
		all = append(all, fmt.Sprint("service ", i+1))
	}
	for i := range rebuilt {
		all = append(all, fmt.Sprintf("service %d rebuilt", i+1))
	}
	return all
}

// ofSources makes layers of a size from Go's sources.
func (p *pairSet) ofSources(size int64, names ...string) error {
	root, err := goRoot(p.ctx)
	if err != nil {
		return err
	}
	next, stop := iter.Pull(trees(filepath.Join(root, "src")))
	defer stop()
	for _, name := range names {
		if err := p.layer(name, p.ofFiles(next, size)); err != nil {
			return err
		}
	}
	return nil
}
