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
)

// maxChain bounds the layers of an image. Docker never had images of more than 127.
const maxChain = 1024

// maxLegacyLayers bounds the layers of all images of an archive.
const maxLegacyLayers = 32_768

// legacy is an archive as Docker saved it before 1.10: without manifest.json, with a directory for each layer,
// whose json says which one is below it, and names for some of them in the file repositories
// (https://github.com/moby/moby/blob/v1.9.1/image/spec/v1.md#combined-image-json--filesystem-changeset-format).
type legacy struct {
	a      *Reader
	layers map[string]*legacyLayer // by directory
	names  map[string][]string     // by directory of the top layer
}

// legacyLayer is a directory of the archive.
type legacyLayer struct {
	dir     string
	parent  string // directory of the layer below; empty for a base
	history dockerv1.History
	said    int // about how many bytes of an image's configuration are about this layer
	content *stored
	diffID  digest.Digest
}

// legacyFiles are what a layer directory consists of.
var legacyFiles = []string{"json", "layer.tar", "VERSION"}

// legacyDirs lists the layer directories in a directory, in order. There are none if it is not what an early Docker saved:
// a single file named like one of theirs makes none.
func (a *Reader) legacyDirs(in string) []string {
	found := map[string]int{}
	whole := a.has(path.Join(in, "repositories"))
	for name := range a.each() {
		if in != "" {
			var inside bool
			if name, inside = strings.CutPrefix(name, in+"/"); !inside {
				continue
			}
		}
		dir, file, _ := strings.Cut(name, "/")
		if i := slices.Index(legacyFiles, file); i >= 0 && dir != "" {
			found[dir] |= 1 << i
			whole = whole || found[dir]&3 == 3
		}
	}
	if !whole {
		return nil
	}
	return slices.Sorted(maps.Keys(found))
}

// legacyImages lists the images: those that have names, by name, and those that no other stands on.
func (a *Reader) legacyImages(ctx context.Context, dirs []string) ([]SavedImage, error) {
	l := &legacy{a: a, layers: map[string]*legacyLayer{}, names: map[string][]string{}}
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

func (l *legacy) readLayers(dirs []string) error {
	if len(dirs) > maxLegacyLayers {
		return wrongf("archive has %d layers, more than the %d that are accepted", len(dirs), maxLegacyLayers)
	}
	held := 0
	for _, dir := range dirs {
		raw, err := l.description(dir)
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
			return wrongf("%q is ambiguous: %v", dir+"/json", err)
		}
		if im == nil {
			return fmt.Errorf("archive is damaged: %q describes no layer: %w", dir+"/json", ErrIntegrity)
		}
		content, err := l.a.stored(dir + "/layer.tar")
		if err != nil {
			return fmt.Errorf("archive is damaged: layer %q has no content: %v: %w", dir, err, ErrIntegrity)
		}
		h := im.History(false)
		said := len(h.Author) + len(h.CreatedBy) + len(h.Comment) + 150
		l.layers[dir] = &legacyLayer{dir: dir, parent: im.Parent, history: h, said: said, content: content}
	}
	return nil
}

func (l *legacy) description(dir string) ([]byte, error) {
	raw, err := l.a.readJSON(dir+"/json", image.MaxConfigSize)
	if err != nil {
		return nil, fmt.Errorf("archive is damaged: layer %q has no description: %v: %w", dir, err, ErrIntegrity)
	}
	return raw, nil
}

// readNames reads the file repositories, which is absent if images were saved by ID.
func (l *legacy) readNames() error {
	if !l.a.has("repositories") {
		return nil
	}
	raw, err := l.a.readJSON("repositories", maxManifestJSON)
	if err != nil {
		return err
	}
	var repositories map[string]map[string]string
	if err := json.Unmarshal(raw, &repositories); err != nil {
		return fmt.Errorf("repositories: %v", err)
	}
	if err := jsonkeys.UniqueNames(raw); err != nil {
		return wrongf("repositories is ambiguous: %v", err)
	}
	owner := map[string]string{}
	for _, repository := range slices.Sorted(maps.Keys(repositories)) {
		for _, tag := range slices.Sorted(maps.Keys(repositories[repository])) {
			dir := repositories[repository][tag]
			if l.layers[dir] == nil {
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
				l.names[dir] = append(l.names[dir], names[0])
			}
			owner[names[0]] = dir
		}
	}
	return nil
}

// chains lists the layers of each image, base first. Every layer belongs to one.
func (l *legacy) chains() ([][]*legacyLayer, error) {
	var chains [][]*legacyLayer
	reached, total := map[string]bool{}, 0
	for _, top := range l.tops() {
		chain, err := l.chain(top)
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
	for _, dir := range slices.Sorted(maps.Keys(l.layers)) {
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
func (l *legacy) tops() []string {
	below := map[string]bool{}
	for _, layer := range l.layers {
		below[layer.parent] = true
	}
	var tops []string
	for dir := range l.layers {
		if len(l.names[dir]) > 0 || !below[dir] {
			tops = append(tops, dir)
		}
	}
	slices.SortFunc(tops, func(x, y string) int {
		a, b := l.names[x], l.names[y]
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

func (l *legacy) chain(top string) ([]*legacyLayer, error) {
	var chain []*legacyLayer
	seen := map[string]bool{}
	for dir := top; dir != ""; dir = l.layers[dir].parent {
		switch {
		case l.layers[dir] == nil:
			return nil, fmt.Errorf("archive is damaged: layer %q stands on %q, which is not there: %w", chain[len(chain)-1].dir, dir, ErrIntegrity)
		case seen[dir]:
			return nil, fmt.Errorf("archive is damaged: layer %q stands on itself: %w", dir, ErrIntegrity)
		case len(chain) == maxChain:
			return nil, fmt.Errorf("layer %q stands on more than the %d that are accepted", top, maxChain)
		}
		seen[dir] = true
		chain = append(chain, l.layers[dir])
	}
	slices.Reverse(chain)
	return chain, nil
}

// image makes the image of a chain of layers, with the configuration that Docker makes when it loads the archive.
func (l *legacy) image(chain []*legacyLayer) (SavedImage, error) {
	top := chain[len(chain)-1].dir
	var im SavedImage
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, layer := range chain {
		history, diffIDs = append(history, layer.history), append(diffIDs, layer.diffID)
		im.Layers = append(im.Layers, SavedLayer{DiffID: layer.diffID, Path: layer.dir + "/layer.tar", content: layer.content})
	}
	raw, err := l.description(top)
	if err != nil {
		return im, err
	}
	if im.Config, err = dockerv1.Config(raw, history, diffIDs); err != nil {
		return im, fmt.Errorf("image %q: %w", top, err)
	}
	if _, err := image.ParseConfig(im.Config); err != nil {
		return im, wrongf("image %q: %w", top, err)
	}
	im.ID, im.Names = digest.FromBytes(im.Config), l.names[top]
	return im, nil
}
