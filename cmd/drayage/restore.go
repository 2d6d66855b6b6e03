package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/internal/kind"
	"drayage/internal/layercache"
	"drayage/internal/restore"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/want"
	"drayage/registry"
	"drayage/upload"
)

func restoreFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "restore", Category: groupWhat,
		Usage: "of a docker tar: push the manifest that the image has in its registry, so that digest and " +
			"signatures hold; `X` is its digest, or a file with the manifest, a record, an inventory or an OCI tar"}
}

// restorer gives images of docker tars the manifests back that they have in a registry.
type restorer struct {
	call
	clues     restore.Clues
	finder    restore.Finder
	originals []*restore.Original
	without   []string // images that get another digest
	alone     bool     // the tar has one image
	slow      sync.Once
}

// newRestorer reads --restore. It returns nil if nothing is to be restored.
func (c call) newRestorer(ctx context.Context) (*restorer, error) {
	if !c.IsSet("restore") {
		return nil, nil
	}
	if c.IsSet("shard") {
		return nil, usagef("--restore is about all images of a tar: leave out --shard")
	}
	r := &restorer{call: c}
	for _, text := range c.StringSlice("restore") {
		clue := &restore.Clue{Text: text}
		r.clues = append(r.clues, clue)
		if clue.ParseDigest(text) {
			continue
		}
		if err := mistypedDigest(text); err != nil {
			return nil, err
		}
		spec, err := c.parseSource(text)
		switch {
		case err != nil:
			return nil, c.aboutFlag("restore", err)
		case spec.Kind == source.Registry:
			return nil, usagef("--restore %s: no registry is asked: drayage digest %s, where it can be reached, "+
				"prints the digest", text, terminal.ShellWord(text))
		case spec.Kind == source.Stdin:
			return nil, usagef("--restore -: give a digest, or the name of a file")
		}
		if err := clue.Read(ctx, spec, untrusted(c.sourceOptions())); err != nil {
			return nil, fmt.Errorf("--restore %s: %w", text, err)
		}
	}
	r.finder = restore.Finder{
		Encoders: restore.Encoders(), CacheDir: layercache.DefaultDir(), Trying: r.trying,
	}
	return r, nil
}

// mistypedDigest is the error about a value of --restore that is nearly a digest, or about a file that is not
// there.
func mistypedDigest(text string) error {
	if _, err := os.Lstat(text); err == nil {
		return nil
	}
	_, d, found := strings.Cut(text, "@")
	if !found {
		d = text
	}
	low := strings.ToLower(d)
	hash, named := strings.CutPrefix(low, "sha256:")
	switch {
	case digest.Digest("sha256:"+hash).Validate() == nil:
		return usagef("--restore %s: write sha256:%s", text, hash)
	case named && strings.Trim(hash, "0123456789abcdef") == "":
		return usagef("--restore %s: a digest has 64 digits behind sha256:, and this one has %d", text, len(hash))
	case named || found:
		return usagef("--restore %s: a digest is sha256: and 64 digits from 0 to 9 and a to f", text)
	case slices.Contains([]string{".json", ".txt", ".html", ".inv", ".tar"}, filepath.Ext(text)):
		return notFound("--restore %s: file does not exist", text)
	}
	return nil
}

// trying tells that it takes a while, and of each attempt those who look closely.
func (r *restorer) trying(l restore.Layer, encoder string) {
	r.slow.Do(func() {
		r.note("finding out how layers were compressed: ways are tried until the digests are right")
	})
	if r.Bool("verbose") {
		r.note("layer %s: %s", l.DiffID, encoder)
	}
}

// target gives the image of a target its manifest back, if one is known of it.
func (r *restorer) target(ctx context.Context, im *source.Image, t upload.Target) (upload.Target, error) {
	loaded := t.Image
	if t.Saved != nil {
		var err error
		if loaded, err = t.Saved.Image(ctx); err != nil {
			return t, err
		}
	} else if r.clues.Has(t.Image.Root.Digest) {
		return t, nil
	}
	of, err := restore.Describe(ctx, loaded)
	if errors.Is(err, restore.ErrNoImage) {
		r.note("note: %s: --restore does nothing for it: %v", im.Label, err)
		return t, nil
	}
	if err != nil {
		return t, err
	}
	o, err := r.original(ctx, im, of)
	if o == nil || err != nil {
		if err == nil && loaded.Uncompressed { // others keep the digest that they have
			r.without = append(r.without, im.Label)
		}
		return t, err
	}
	o.Image.Names = loaded.Names
	r.originals = append(r.originals, o)
	return upload.Target{Image: o.Image}, nil
}

// original finds the manifest of an image. It is nil where the image may go without.
func (r *restorer) original(
	ctx context.Context, im *source.Image, of restore.Image,
) (*restore.Original, error) {
	config := digest.FromBytes(of.Config)
	if m, ok := r.clues.Known(config); ok {
		return of.Restore(ctx, m)
	}
	names := im.Names
	if r.alone {
		names = nil
	}
	wanted := r.clues.Wanted(config, names)
	var m restore.Manifest
	var ok bool
	if wanted.Any() {
		var err error
		if m, ok, err = r.finder.Manifest(ctx, of, r.clues, wanted); err != nil {
			return nil, err
		}
	}
	switch {
	case ok:
		return of.Restore(ctx, m)
	case wanted.Certain || r.alone && wanted.Any():
		return nil, notFound("--restore: no manifest that a known tool would write for %s has the digest %s, so "+
			"nothing is pushed: give the manifest itself, as drayage manifest writes it: a manifest with "+
			"annotations needs that; the digest of an index of several platforms cannot be restored, that of the "+
			"manifest of one can", im.Label, wanted)
	}
	return nil, nil
}

func notFound(format string, args ...any) error {
	return kind.Errorf(registry.ErrNotFound, format, args...)
}

// unused is the error about a --restore that no image has got its manifest by. If there is none, it names the
// images that go without.
func (r *restorer) unused() error {
	if r == nil {
		return nil
	}
	for _, c := range r.clues {
		if !c.Used {
			return notFound("--restore %s: no image here has such a manifest, so nothing is pushed: the image IDs "+
				"have to be equal", c.Text)
		}
	}
	for _, label := range r.without {
		r.note("note: --restore has nothing for %s: it gets another digest than in its registry", label)
	}
	return nil
}

// remake finds out how layers that are nowhere are made of those in the tar.
func (r *restorer) remake(ctx context.Context, lost map[digest.Digest]bool) error {
	if r == nil {
		return nil
	}
	if err := r.finder.Make(ctx, r.originals, lost); err != nil {
		return fmt.Errorf("--restore: %w", err)
	}
	if len(lost) == 0 {
		for _, o := range r.originals {
			r.told(o)
		}
	}
	for _, what := range restore.Unmakable(r.originals, lost) {
		r.note("note: %s, which drayage cannot make again", what)
	}
	return nil
}

// told says what an image gets back.
func (r *restorer) told(o *restore.Original) {
	root := o.Image.Root.Digest
	r.note("%s gets its digest back: %s, with %s", cmp.Or(strings.Join(o.Image.Names, ", "), "the image"), root,
		strings.Join(o.Layers(), ", "))
	if index := r.clues.Index(root); index != "" {
		r.note("note: %s is the index that lists this manifest: it is not pushed, as other platforms are not here",
			index)
	}
}

// lacking is the error about layers that cannot be made, or nil.
func (r *restorer) lacking(missing *want.List) error {
	return r.call.lacking(missing, "--restore: %s compressed in a way that is not known, so nothing is pushed: "+
		"--base X names an archive, a layout or a repository that has them; without --restore the image gets "+
		"another digest", missing.Were())
}
