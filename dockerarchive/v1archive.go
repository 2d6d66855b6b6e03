package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/dockerv1"
	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

const (
	maxV1Layers = 32_768 // of the archive
	maxChain    = 1024   // layers of an image; Docker never had images of more than 127
	maxHashing  = 4      // layers that are read at once, because decompressing one may take 128 MiB
)

// v1Archive is an archive as Docker saved it before 1.10. It has no manifest.json. Each layer has a
// directory, and its json names the layer below. The file repositories gives names to some of them:
// https://github.com/moby/moby/blob/v1.9.1/image/spec/v1.md#combined-image-json--filesystem-changeset-format
type v1Archive struct {
	a      *Reader
	layers map[string]*v1Dir   // by directory
	names  map[string][]string // by directory of the top layer
}

type v1Dir struct {
	name    string
	parent  string // directory of the layer below; empty for a base
	history dockerv1.History
	said    int // about how many bytes of an image's configuration are about this layer
	content *tarfs.File
	diffID  digest.Digest
}

var v1Files = []string{"json", "layer.tar", "VERSION"} // of a layer directory

// v1Dirs lists the layer directories in a directory, in order. A v1 archive has the file repositories, or a
// layer directory with both json and layer.tar. In anything else there are no layer directories.
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

// v1Images lists the images of a v1 archive. It reads all layers: only their content tells their diff IDs.
func (a *Reader) v1Images(ctx context.Context, dirs []string) ([]SavedImage, error) {
	v := &v1Archive{a: a, layers: map[string]*v1Dir{}, names: map[string][]string{}}
	if err := v.readLayers(dirs); err != nil {
		return nil, err
	}
	if err := v.readNames(); err != nil {
		return nil, err
	}
	chains, err := v.chains()
	if err != nil {
		return nil, err
	}
	if err := v.hash(ctx); err != nil {
		return nil, err
	}
	return collect(len(chains), func(i int) (SavedImage, error) { return v.image(chains[i]) })
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
		if held += len(raw); held > limits.Configs {
			return fmt.Errorf("the descriptions of %d layers take more than %d bytes", len(dirs), limits.Configs)
		}
		if v.layers[dir], err = v.layer(dir, raw); err != nil {
			return err
		}
	}
	return nil
}

func (v *v1Archive) layer(dir string, raw []byte) (*v1Dir, error) {
	im, err := dockerv1.Parse(raw)
	if err != nil {
		return nil, damagedf("%q describes no layer: %v", dir+"/json", err)
	}
	if err := jsonkeys.UniqueRead(raw); err != nil {
		return nil, verify.Mismatchf("%q is ambiguous: %v", dir+"/json", err)
	}
	content, err := v.a.tar.Find(dir + "/layer.tar")
	if err != nil {
		return nil, damagedf("layer %q has no content: %v", dir, err)
	}
	h := im.History(false)
	said := len(h.Author) + len(h.CreatedBy) + len(h.Comment) + 150
	return &v1Dir{name: dir, parent: im.Parent, history: h, said: said, content: content}, nil
}

func (v *v1Archive) description(dir string) ([]byte, error) {
	raw, err := v.a.readJSON(dir+"/json", image.MaxConfigSize)
	if err != nil {
		return nil, damagedf("layer %q has no description: %v", dir, err)
	}
	return raw, nil
}

func damagedf(format string, args ...any) error {
	return fmt.Errorf("archive is damaged: "+format+": %w", append(args, ErrIntegrity)...)
}

// readNames reads the file repositories, which is absent if images were saved by ID.
func (v *v1Archive) readNames() error {
	if !v.a.tar.Has("repositories") {
		return nil
	}
	raw, err := v.a.readJSON("repositories", limits.ArchiveJSON)
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
			if err := v.enter(owner, repository+":"+tag, repositories[repository][tag]); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter gives a name to a layer directory. No name may have two owners.
func (v *v1Archive) enter(owner map[string]string, name, dir string) error {
	if v.layers[dir] == nil {
		return damagedf("layer %q, which is named %q, is not there", dir, name)
	}
	full, err := fullName(name)
	if err != nil {
		return err
	}
	other, taken := owner[full]
	switch {
	case !taken:
		owner[full] = dir
		v.names[dir] = append(v.names[dir], full)
	case other != dir:
		return fmt.Errorf("archive is ambiguous: %s is the name of layer %q and of %q", full, other, dir)
	}
	return nil
}

// chains lists the layers of each image, base first. Every layer must belong to an image.
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
			reached[layer.name] = true
			size += layer.said
		}
		if size > image.MaxConfigSize {
			return nil, fmt.Errorf("image %q: its configuration would have more than the %d bytes that are accepted",
				top, image.MaxConfigSize)
		}
		if total += size; total > limits.Configs {
			return nil, tooLarge(len(chains) + 1)
		}
		chains = append(chains, chain)
	}
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		if !reached[dir] {
			return nil, damagedf("layer %q stands on itself", dir)
		}
	}
	return chains, nil
}

// tops lists the layers that images end with: those with names, by name, then those that no other stands on.
func (v *v1Archive) tops() []string {
	below := map[string]bool{}
	for _, layer := range v.layers {
		below[layer.parent] = true
	}
	var named, nameless []string
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		if len(v.names[dir]) > 0 {
			named = append(named, dir)
		} else if !below[dir] {
			nameless = append(nameless, dir)
		}
	}
	slices.SortFunc(named, func(a, b string) int { return cmp.Compare(v.names[a][0], v.names[b][0]) })
	return append(named, nameless...)
}

func (v *v1Archive) chain(top string) ([]*v1Dir, error) {
	var chain []*v1Dir
	seen := map[string]bool{}
	for dir := top; dir != ""; dir = v.layers[dir].parent {
		switch {
		case v.layers[dir] == nil:
			return nil, damagedf("layer %q stands on %q, which is not there", chain[len(chain)-1].name, dir)
		case seen[dir]:
			return nil, damagedf("layer %q stands on itself", dir)
		case len(chain) == maxChain:
			return nil, fmt.Errorf("layer %q stands on more than the %d that are accepted", top, maxChain)
		}
		seen[dir] = true
		chain = append(chain, v.layers[dir])
	}
	slices.Reverse(chain)
	return chain, nil
}

// hash finds out the diff IDs of all layers. It reads a file that several layers share once.
func (v *v1Archive) hash(ctx context.Context) error {
	byPlace := map[tarfs.Entry][]*v1Dir{}
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		place := v.layers[dir].content.Entry()
		byPlace[place] = append(byPlace[place], v.layers[dir])
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(maxHashing, runtime.GOMAXPROCS(0)))
	for _, layers := range byPlace {
		g.Go(func() error {
			id, err := diffIDOf(ctx, layers[0].content)
			if err != nil {
				return fmt.Errorf("layer %q: %w", layers[0].name, err)
			}
			for _, l := range layers {
				l.diffID = id
			}
			return nil
		})
	}
	return g.Wait()
}

// diffIDOf hashes the content of a layer. In a stream an uncompressed layer has been hashed already.
func diffIDOf(ctx context.Context, f *tarfs.File) (digest.Digest, error) {
	if kind, err := (SavedLayer{content: f}).Compression(); err == nil && kind == compression.None {
		return f.SHA256(ctx)
	}
	layer, err := unpack.Sum(ctx, f.Open(), digest.SHA256, nil)
	return layer.DiffID, err
}

// image makes the image of a chain of layers, with the configuration that Docker makes on loading it.
func (v *v1Archive) image(chain []*v1Dir) (SavedImage, error) {
	top := chain[len(chain)-1].name
	im := SavedImage{Names: v.names[top]}
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, l := range chain {
		history, diffIDs = append(history, l.history), append(diffIDs, l.diffID)
		im.Layers = append(im.Layers, SavedLayer{l.diffID, l.name + "/layer.tar", l.content, &v.a.known})
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
	im.ID = digest.FromBytes(im.Config)
	return im, nil
}
