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

// maxV1Layers bounds the layers of a v1 archive.
const maxV1Layers = 32_768

// v1Archive is an archive as Docker saved it before 1.10. It has no manifest.json. Each layer has a
// directory, and its json names the layer below. The file repositories gives names to some of them
// (https://github.com/moby/moby/blob/v1.9.1/image/spec/v1.md#combined-image-json--filesystem-changeset-format).
type v1Archive struct {
	a      *Reader
	layers map[string]*v1Dir   // by directory
	names  map[string][]string // by directory of the top layer
}

// v1Dir is the directory of a layer.
type v1Dir struct {
	name    string
	parent  string // directory of the layer below; empty for a base
	history dockerv1.History
	said    int // about how many bytes of an image's configuration are about this layer
	content *tarfs.File
	diffID  digest.Digest
}

// v1Files are what a layer directory consists of.
var v1Files = []string{"json", "layer.tar", "VERSION"}

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

// v1Images lists the images of a v1 archive. It reads all layers, because only their content tells their diff
// IDs.
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
		if held += len(raw); held > maxConfigs {
			return fmt.Errorf("the descriptions of %d layers take more than %d bytes", len(dirs), maxConfigs)
		}
		if v.layers[dir], err = v.layer(dir, raw); err != nil {
			return err
		}
	}
	return nil
}

func (v *v1Archive) layer(dir string, raw []byte) (*v1Dir, error) {
	var im *dockerv1.Image
	if err := json.Unmarshal(raw, &im); err != nil {
		return nil, damagedf("%q: %v", dir+"/json", err)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, verify.Mismatchf("%q is ambiguous: %v", dir+"/json", err)
	}
	if im == nil {
		return nil, damagedf("%q describes no layer", dir+"/json")
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
