package dockerarchive

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/dockerv1"
	"drayage/internal/jsonkeys"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
)

// maxChain bounds the layers of an image. Docker never had images of more than 127.
const maxChain = 1024

// maxV1Layers bounds the layers of all images of an archive.
const maxV1Layers = 32_768

// v1Archive is an archive as Docker saved it before 1.10: without manifest.json, with a directory for each
// layer, whose json says which one is below it, and names for some of them in the file repositories
// (https://github.com/moby/moby/blob/v1.9.1/image/spec/v1.md#combined-image-json--filesystem-changeset-format).
type v1Archive struct {
	a      *Reader
	layers map[string]*v1Dir   // by directory
	names  map[string][]string // by directory of the top layer
}

// v1Dir is a directory of the archive.
type v1Dir struct {
	dir     string
	parent  string // directory of the layer below; empty for a base
	history dockerv1.History
	said    int // about how many bytes of an image's configuration are about this layer
	content *tarfs.File
	diffID  digest.Digest
}

// v1Files are what a layer directory consists of.
var v1Files = []string{"json", "layer.tar", "VERSION"}

// v1Dirs lists the layer directories in a directory, in order. There are none if it is not what an early
// Docker saved: a single file named like one of theirs makes none.
func (a *Reader) v1Dirs(in string) []string {
	found := map[string]int{}
	whole := a.tar.Has(path.Join(in, "repositories"))
	for name := range a.tar.Below(in) {
		dir, file, _ := strings.Cut(name, "/")
		if i := slices.Index(v1Files, file); i >= 0 && dir != "" {
			found[dir] |= 1 << i
			whole = whole || found[dir]&3 == 3
		}
	}
	if !whole {
		return nil
	}
	return slices.Sorted(maps.Keys(found))
}

// v1Images lists the images: those that have names, by name, and those that no other stands on.
func (a *Reader) v1Images(ctx context.Context, dirs []string) ([]SavedImage, error) {
	l := &v1Archive{a: a, layers: map[string]*v1Dir{}, names: map[string][]string{}}
	if err := l.readLayers(dirs); err != nil {
		return nil, err
	}
	if err := l.readNames(); err != nil {
		return nil, err
	}
	chains, err := l.chains()
	if err != nil {
		return nil, err
	}
	if err := l.hash(ctx); err != nil {
		return nil, err
	}
	var images []SavedImage
	held := 0
	for _, chain := range chains {
		im, err := l.image(chain)
		if err != nil {
			return nil, err
		}
		if held += len(im.Config); held > maxConfigs {
			return nil, tooLarge(len(chains))
		}
		images = append(images, im)
	}
	return images, nil
}

func (v *v1Archive) readLayers(dirs []string) error {
	if len(dirs) > maxV1Layers {
		return verify.Mismatchf("archive has %d layers, more than the %d that are accepted", len(dirs), maxV1Layers)
	}
	held := 0
	for _, dir := range dirs {
		raw, err := v.description(dir)
		if err != nil {
			return err
		}
		if held += len(raw); held > maxConfigs {
			return fmt.Errorf("the descriptions of %d layers take more than %d bytes", len(dirs), maxConfigs)
		}
		var im *dockerv1.Image
		if err := json.Unmarshal(raw, &im); err != nil {
			return fmt.Errorf("archive is damaged: %q: %v: %w", dir+"/json", err, ErrIntegrity)
		}
		if err := jsonkeys.Unique(raw); err != nil {
			return verify.Mismatchf("%q is ambiguous: %v", dir+"/json", err)
		}
		if im == nil {
			return fmt.Errorf("archive is damaged: %q describes no layer: %w", dir+"/json", ErrIntegrity)
		}
		content, err := v.a.tar.Find(dir + "/layer.tar")
		if err != nil {
			return fmt.Errorf("archive is damaged: layer %q has no content: %v: %w", dir, err, ErrIntegrity)
		}
		h := im.History(false)
		said := len(h.Author) + len(h.CreatedBy) + len(h.Comment) + 150
		v.layers[dir] = &v1Dir{dir: dir, parent: im.Parent, history: h, said: said, content: content}
	}
	return nil
}

func (v *v1Archive) description(dir string) ([]byte, error) {
	raw, err := v.a.readJSON(dir+"/json", image.MaxConfigSize)
	if err != nil {
		return nil, fmt.Errorf("archive is damaged: layer %q has no description: %v: %w", dir, err, ErrIntegrity)
	}
	return raw, nil
}

// readNames reads the file repositories, which is absent if images were saved by ID.
func (v *v1Archive) readNames() error {
	if !v.a.tar.Has("repositories") {
		return nil
	}
	raw, err := v.a.readJSON("repositories", maxManifestJSON)
	if err != nil {
		return err
	}
	var repositories map[string]map[string]string
	if err := json.Unmarshal(raw, &repositories); err != nil {
		return fmt.Errorf("repositories: %v", err)
	}
	if err := jsonkeys.UniqueNames(raw); err != nil {
		return verify.Mismatchf("repositories is ambiguous: %v", err)
	}
	owner := map[string]string{}
	for _, repository := range slices.Sorted(maps.Keys(repositories)) {
		for _, tag := range slices.Sorted(maps.Keys(repositories[repository])) {
			dir := repositories[repository][tag]
			if v.layers[dir] == nil {
				return fmt.Errorf("archive is damaged: layer %q, which is named %q, is not there: %w", dir, repository+":"+tag, ErrIntegrity)
			}
			names, _, err := fullNames([]string{repository + ":" + tag})
			if err != nil {
				return err
			}
			if len(names) == 0 {
				return fmt.Errorf("repositories: invalid name %.200q", repository+":"+tag)
			}
			if other, taken := owner[names[0]]; taken && other != dir {
				return fmt.Errorf("archive is ambiguous: %s is the name of layer %q and of %q", names[0], other, dir)
			} else if !taken {
				v.names[dir] = append(v.names[dir], names[0])
			}
			owner[names[0]] = dir
		}
	}
	return nil
}

// chains lists the layers of each image, base first. Every layer belongs to one.
func (v *v1Archive) chains() ([][]*v1Dir, error) {
	var chains [][]*v1Dir
	reached, total := map[string]bool{}, 0
	for _, top := range v.tops() {
		chain, err := v.chain(top)
		if err != nil {
			return nil, err
		}
		size := 0
		for _, layer := range chain {
			reached[layer.dir] = true
			size += layer.said
		}
		if size > image.MaxConfigSize {
			return nil, fmt.Errorf("image %q: its configuration would have more than the %d bytes that are accepted", top, image.MaxConfigSize)
		}
		if total += size; total > maxConfigs {
			return nil, tooLarge(len(chains) + 1)
		}
		chains = append(chains, chain)
	}
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		if !reached[dir] {
			return nil, fmt.Errorf("archive is damaged: layer %q stands on itself: %w", dir, ErrIntegrity)
		}
	}
	return chains, nil
}

func tooLarge(count int) error {
	return fmt.Errorf("the configurations of %d images take more than %d bytes", count, maxConfigs)
}

// tops lists the layers that an image ends with.
func (v *v1Archive) tops() []string {
	below := map[string]bool{}
	for _, layer := range v.layers {
		below[layer.parent] = true
	}
	var tops []string
	for dir := range v.layers {
		if len(v.names[dir]) > 0 || !below[dir] {
			tops = append(tops, dir)
		}
	}
	slices.SortFunc(tops, func(x, y string) int {
		a, b := v.names[x], v.names[y]
		switch {
		case len(a) > 0 && len(b) > 0:
			return strings.Compare(a[0], b[0])
		case len(a) > 0:
			return -1
		case len(b) > 0:
			return 1
		}
		return strings.Compare(x, y)
	})
	return tops
}

func (v *v1Archive) chain(top string) ([]*v1Dir, error) {
	var chain []*v1Dir
	seen := map[string]bool{}
	for dir := top; dir != ""; dir = v.layers[dir].parent {
		switch {
		case v.layers[dir] == nil:
			return nil, fmt.Errorf("archive is damaged: layer %q stands on %q, which is not there: %w", chain[len(chain)-1].dir, dir, ErrIntegrity)
		case seen[dir]:
			return nil, fmt.Errorf("archive is damaged: layer %q stands on itself: %w", dir, ErrIntegrity)
		case len(chain) == maxChain:
			return nil, fmt.Errorf("layer %q stands on more than the %d that are accepted", top, maxChain)
		}
		seen[dir] = true
		chain = append(chain, v.layers[dir])
	}
	slices.Reverse(chain)
	return chain, nil
}

// image makes the image of a chain of layers, with the configuration that Docker makes when it loads the
// archive.
func (v *v1Archive) image(chain []*v1Dir) (SavedImage, error) {
	top := chain[len(chain)-1].dir
	var im SavedImage
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, layer := range chain {
		history, diffIDs = append(history, layer.history), append(diffIDs, layer.diffID)
		im.Layers = append(im.Layers, SavedLayer{DiffID: layer.diffID, Path: layer.dir + "/layer.tar", content: layer.content})
	}
	raw, err := v.description(top)
	if err != nil {
		return im, err
	}
	if im.Config, err = dockerv1.Config(raw, history, diffIDs); err != nil {
		return im, fmt.Errorf("image %q: %w", top, err)
	}
	if _, err := image.ParseConfig(im.Config); err != nil {
		return im, verify.Mismatchf("image %q: %w", top, err)
	}
	im.ID, im.Names = digest.FromBytes(im.Config), v.names[top]
	return im, nil
}
