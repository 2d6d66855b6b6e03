//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// image is one image as a registry has it.
type image struct {
	Name     string // repository:tag
	Manifest v1.Descriptor
	Raw      []byte // the manifest
	Config   v1.Descriptor
	Layers   []v1.Descriptor
	DiffIDs  []digest.Digest
}

// dataset is one or several images in three forms: a layout, the storage of a registry, and tars.
type dataset struct {
	dir    string
	Images []image
}

func (d *dataset) layout() string          { return filepath.Join(d.dir, "layout") }
func (d *dataset) storage() string         { return filepath.Join(d.dir, "registry") }
func (d *dataset) blob(desc string) string { return filepath.Join(d.layout(), "blobs", "sha256", desc) }

// plan says what the layers of a data set are.
type plan struct {
	// of layers, per group; a group's layers take their files from the same source, one after another
	sizes  [][]int64
	source []iter.Seq[entry]
	images [][]int // layers of each image, counted over all groups
}

const megabyte = 1000 * 1000

// plan says what the contents are: five large layers, five of 304 MB together, a heavy one beside another,
// forty small ones, twenty images that share a base, one layer of 1, 2 or 10 GB.
func (e *env) plan(ctx context.Context, name string) (plan, error) {
	root, err := goRoot(ctx)
	if err != nil {
		return plan{}, err
	}
	p, goSource := planner{root: root, unit: megabyte * int64(e.Scale) / 100}, filepath.Join(root, "src")
	switch name {
	case "five":
		p.five(280, 200, 160, 78, 5)
	case "304MB":
		p.five(320, 229, 183, 89, 6)
	case "heavy":
		p.source(1, 570, "/usr/lib", filepath.Join(root, "pkg"))
		p.source(1, 60, "/usr/share")
		p.images = [][]int{{0, 1}}
	case "forty":
		p.source(40, 1, goSource)
		p.images = [][]int{numbers(40)}
	case "twenty":
		p.source(1, 120, "/usr/share")
		p.source(20, 5, goSource)
		for i := range 20 {
			p.images = append(p.images, []int{0, 1 + i})
		}
	case "1GB":
		p.large(1000)
	case "2GB":
		p.large(2000)
	case "volumes":
		p.large(2660)
	case "10GB":
		p.large(10000)
	case fmt.Sprint("many", few):
		planMany(&p.plan, few, func(n, size int64) { p.source(n, size, goSource) })
	case fmt.Sprint("many", many):
		planMany(&p.plan, many, func(n, size int64) { p.source(n, size, goSource) })
	default:
		return plan{}, fmt.Errorf("there is no data set %q", name)
	}
	return p.plan, nil
}

// planner makes a plan. Sizes are in units.
type planner struct {
	plan
	root string // of Go
	unit int64
}

// source adds n layers of a size that take their files from some directories.
func (p *planner) source(n, size int64, roots ...string) {
	p.sizes = append(p.sizes, slices.Repeat([]int64{max(size*p.unit, 10_000)}, int(n)))
	p.plan.source = append(p.plan.source, trees(roots...))
}

// five is an image of five layers.
func (p *planner) five(libraries, tools, shared, sources, mixed int64) {
	goSource := filepath.Join(p.root, "src")
	p.source(1, libraries, "/usr/lib")
	p.source(1, tools, filepath.Join(p.root, "pkg"), filepath.Join(p.root, "bin"), goSource)
	p.source(1, shared, "/usr/share")
	p.source(1, sources, goSource)
	p.source(1, mixed, "/usr/include", "/usr/share/doc", goSource)
	p.images = [][]int{{0, 1, 2, 3, 4}}
}

// large is an image of one layer.
func (p *planner) large(size int64) {
	p.source(1, size, "/usr/lib", p.root, "/usr/share")
	p.images = [][]int{{0}}
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// set returns a data set, which is made if an earlier run has not left it.
func (e *env) set(ctx context.Context, name string) (*dataset, error) {
	if d := e.sets[name]; d != nil {
		return d, nil
	}
	d := &dataset{dir: filepath.Join(e.Work, fmt.Sprintf("%s-%d", name, e.Scale))}
	index := filepath.Join(d.dir, "images.json")
	if raw, err := os.ReadFile(index); err == nil {
		if err := json.Unmarshal(raw, &d.Images); err != nil {
			return nil, fmt.Errorf("%s: %v", index, err)
		}
		e.sets[name] = d
		return d, nil
	}
	fmt.Fprintf(e.Log, "   making the images %q in %s\n", name, d.dir)
	if err := e.make(ctx, name, d); err != nil {
		return nil, fmt.Errorf("images %q: %v", name, err)
	}
	raw, err := json.Marshal(d.Images)
	if err != nil {
		return nil, err
	}
	e.sets[name] = d
	return d, os.WriteFile(index, raw, 0o600)
}

func (e *env) make(ctx context.Context, name string, d *dataset) error {
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	for _, dir := range []string{d.blob(""), d.storage()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if name == pairs {
		if err := e.makePairs(ctx, d); err != nil {
			return err
		}
		return e.finish(ctx, d)
	}
	p, err := e.plan(ctx, name)
	if err != nil {
		return err
	}
	layers, err := packAll(ctx, d, p)
	if err != nil {
		return err
	}
	for i, of := range p.images {
		img, err := d.addImage(fmt.Sprintf("bench/%s:v%d", strings.ToLower(name), i+1), of, layers)
		if err != nil {
			return err
		}
		d.Images = append(d.Images, img)
	}
	return e.finish(ctx, d)
}

// finish makes the blobs of a data set a layout, and the storage of a registry.
func (e *env) finish(ctx context.Context, d *dataset) error {
	if err := d.writeIndex(); err != nil {
		return err
	}
	return e.seed(ctx, d)
}

// packAll packs the groups side by side.
func packAll(ctx context.Context, d *dataset, p plan) ([]packed, error) {
	groups := make([][]packed, len(p.sizes))
	errs := make([]error, len(p.sizes))
	var wg sync.WaitGroup
	for i, sizes := range p.sizes {
		wg.Go(func() {
			next, stop := iter.Pull(p.source[i])
			defer stop()
			for _, size := range sizes {
				layer, err := d.pack(ctx, next, size)
				if err != nil {
					errs[i] = err
					return
				}
				groups[i] = append(groups[i], layer)
			}
		})
	}
	wg.Wait()
	var all []packed
	for _, group := range groups {
		all = append(all, group...)
	}
	return all, errors.Join(errs...)
}

// seed gives a registry the images over its API and leaves its storage behind.
func (e *env) seed(ctx context.Context, d *dataset) error {
	s, err := e.serve(ctx, "registry", d.storage(), "0s")
	if err != nil {
		return err
	}
	defer s.stop()
	for _, img := range d.Images {
		if err := d.push(ctx, img, "http://"+s.addr); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataset) push(ctx context.Context, img image, url string) error {
	name, tag := splitName(img.Name)
	repo := &wire.Repository{URL: url, Name: name}
	for _, desc := range append([]v1.Descriptor{img.Config}, img.Layers...) {
		if err := d.pushBlob(ctx, repo, desc); err != nil {
			return err
		}
	}
	return repo.PutManifest(ctx, tag, img.Manifest.MediaType, img.Raw)
}

func (d *dataset) pushBlob(ctx context.Context, repo *wire.Repository, desc v1.Descriptor) error {
	f, err := os.Open(d.blob(desc.Digest.Encoded()))
	if err != nil {
		return err
	}
	defer f.Close()
	return repo.PutBlob(ctx, desc.Digest, desc.Size, io.Reader(f))
}
