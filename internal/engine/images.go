package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// The limits of one engine.
const (
	parallelImages = 8
	maxInspect     = 8 << 20 // bytes of what an engine says of one image
)

// Image is an image that an engine has.
type Image struct {
	ID      digest.Digest
	Names   []string        // with tags, as the engine shows them
	DiffIDs []digest.Digest // of its layers, base first
}

// Store is how an engine keeps layers.
type Store int

// The ways of keeping layers.
const (
	Unpacked   Store = iota // by chain ID: docker load opens no layer that is there
	Containerd              // as blobs in containerd's store
	Podman                  // the engine is podman's: podman load opens every layer
)

// About is what an engine says of itself.
type About struct {
	Version string
	Driver  string
	Store   Store
}

// About asks the engine what it is.
func (c *Client) About(ctx context.Context) (About, error) {
	var version struct {
		Version    string
		Components []struct{ Name string }
	}
	var info struct {
		Driver       string
		DriverStatus [][]string
	}
	if err := c.get(ctx, "/version", maxInspect, &version); err != nil {
		return About{}, err
	}
	if err := c.get(ctx, "/info", maxInspect, &info); err != nil {
		return About{}, err
	}
	a := About{Version: version.Version, Driver: info.Driver}
	if a.Driver == "" {
		return a, fmt.Errorf("%s is no Docker engine: it does not say how it stores layers", c.Address)
	}
	for _, s := range info.DriverStatus {
		if len(s) == 2 && s[0] == "driver-type" && strings.HasPrefix(s[1], "io.containerd.snapshotter.") {
			a.Store = Containerd
		}
	}
	for _, component := range version.Components {
		if strings.HasPrefix(component.Name, "Podman") {
			a.Store = Podman
		}
	}
	return a, nil
}

// Images gives each image to take, in the order of their IDs, and one at a time, with how many there are. An
// image that goes away meanwhile is left out. of is the name or ID of a single one; if it is empty, all are
// meant.
func (c *Client) Images(ctx context.Context, of string, take func(im Image, total int) error) error {
	all, err := c.list(ctx, of)
	if err != nil {
		return err
	}
	const batch = 64
	for some := range slices.Chunk(all, batch) {
		eg, egctx := errgroup.WithContext(ctx)
		eg.SetLimit(parallelImages)
		for i := range some {
			eg.Go(func() error { return c.fill(egctx, &some[i]) })
		}
		if err := eg.Wait(); err != nil {
			return err
		}
		for i := range some {
			if some[i].DiffIDs == nil {
				continue
			}
			if err := take(some[i], len(all)); err != nil {
				return err
			}
			some[i] = Image{}
		}
	}
	return nil
}

// Named reports whether text means the engine, as docker or docker-daemon:, and which image in it, as in
// docker-daemon:NAME.
func Named(text string) (of string, ok bool) {
	if text == "docker" {
		return "", true
	}
	if of, ok = strings.CutPrefix(text, "docker-daemon:"); !ok {
		of = ""
	}
	return of, ok
}

// listed is an image in an engine's answer.
type listed struct {
	ID       digest.Digest `json:"Id"`
	RepoTags []string
}

// list finds the images, without their layers.
func (c *Client) list(ctx context.Context, of string) (all []Image, err error) {
	var found []listed
	if of == "" {
		err = c.get(ctx, "/images/json", maxAnswer, &found)
	} else {
		found = make([]listed, 1)
		err = c.get(ctx, inspectPath(of), maxInspect, &found[0])
		if errors.Is(err, errGone) {
			err = kind.Errorf(fs.ErrNotExist, "%s has no image %q", c.Address, of)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if err := verify.Digest(f.ID); err != nil {
			return nil, fmt.Errorf("%s: the list of images: %w", c.Address, err)
		}
		all = append(all, Image{ID: f.ID, Names: named(f.RepoTags)})
	}
	slices.SortFunc(all, func(a, b Image) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, nil
}

func inspectPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/images/" + strings.Join(parts, "/") + "/json"
}

// named drops what an engine says of an image without a name.
func named(tags []string) (names []string) {
	for _, t := range tags {
		if t != "<none>:<none>" && len(t) <= limits.Name {
			names = append(names, t)
		}
	}
	return names
}

// fill asks for the layers of an image.
func (c *Client) fill(ctx context.Context, im *Image) error {
	var found struct {
		RootFS struct {
			Type   string
			Layers []digest.Digest
		}
	}
	err := c.get(ctx, inspectPath(im.ID.String()), maxInspect, &found)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.RootFS.Type != "layers" { // "layers+base" of old Windows images has a base that no chain tells
		return nil
	}
	for _, d := range found.RootFS.Layers {
		if err := verify.Digest(d); err != nil {
			return fmt.Errorf("%s: image %s: %w", c.Address, im.ID, err)
		}
	}
	im.DiffIDs = found.RootFS.Layers
	return nil
}
