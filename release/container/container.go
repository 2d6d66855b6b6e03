// Package container writes the image of drayage: nothing but the binary, the certificates that browsers
// trust, and the licences. It is written by drayage's own packages.
package container

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
	"drayage/release/build"
	pack "drayage/release/bundle"
)

// user is nobody in particular: the one that images without root use.
const user = 65532

// Part is the image for one platform.
type Part struct {
	Target                   build.Target
	Binary, Licence, Notices string // on the disk
}

// Image is what becomes of the parts.
type Image struct {
	Source build.Source
	Name   string // with a registry and a tag
	Home   string // an address, for its labels
	Parts  []Part
}

// Write writes the image for all platforms as an OCI tar. Scratch is an empty directory.
func (i Image) Write(ctx context.Context, path, scratch string) (err error) {
	dir, err := layout.CreateDir(ctx, filepath.Join(scratch, "layout"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	root, err := i.store(ctx, dir, scratch)
	if err != nil {
		return err
	}
	whole, err := image.Open(ctx, dir, root, image.Selection{All: true})
	if err != nil {
		return err
	}
	whole.Names = []string{i.Name}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = dockerarchive.Write(ctx, f, dockerarchive.OCI, []*image.Image{whole}, dockerarchive.Options{})
	return errors.Join(err, f.Close())
}

// store puts all blobs into a layout and returns the index.
func (i Image) store(ctx context.Context, dir *layout.Dir, scratch string) (v1.Descriptor, error) {
	roots := filepath.Join(scratch, "ca-certificates.crt")
	if err := os.WriteFile(roots, certificates(), 0o644); err != nil {
		return v1.Descriptor{}, err
	}
	index := v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Annotations: i.labels(),
	}
	for _, p := range i.Parts {
		d, err := i.part(ctx, dir, p, roots)
		if err != nil {
			return d, fmt.Errorf("%s: %w", p.Target, err)
		}
		platform := p.Target.Platform()
		d.Platform = &platform
		index.Manifests = append(index.Manifests, d)
	}
	return store(ctx, dir, v1.MediaTypeImageIndex, index)
}

// part puts the image for one platform into a layout.
func (i Image) part(ctx context.Context, dir *layout.Dir, p Part, roots string) (v1.Descriptor, error) {
	var layer bytes.Buffer
	if err := pack.Tar(&layer, p.files(roots), i.Source.Date); err != nil {
		return v1.Descriptor{}, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if _, err := z.Write(layer.Bytes()); err != nil {
		return v1.Descriptor{}, err
	}
	if err := z.Close(); err != nil {
		return v1.Descriptor{}, err
	}
	blob, err := storeBytes(ctx, dir, v1.MediaTypeImageLayerGzip, packed.Bytes())
	if err != nil {
		return blob, err
	}
	config, err := store(ctx, dir, v1.MediaTypeImageConfig, i.config(p.Target, digest.FromBytes(layer.Bytes())))
	if err != nil {
		return config, err
	}
	return store(ctx, dir, v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config,
		Layers: []v1.Descriptor{blob}, Annotations: i.labels(),
	})
}

// files are what the image holds. /tmp and /work are for everyone: a container may run as any user.
func (p Part) files(roots string) []pack.File {
	return []pack.File{
		{Name: "drayage", Path: p.Binary, Mode: 0o755},
		{Name: "etc/", Mode: 0o755}, {Name: "etc/ssl/", Mode: 0o755}, {Name: "etc/ssl/certs/", Mode: 0o755},
		{Name: "etc/ssl/certs/ca-certificates.crt", Path: roots, Mode: 0o644},
		{Name: "licenses/", Mode: 0o755},
		{Name: "licenses/LICENSE", Path: p.Licence, Mode: 0o644},
		{Name: "licenses/THIRD-PARTY-NOTICES", Path: p.Notices, Mode: 0o644},
		{Name: "tmp/", Mode: 0o777 | fs.ModeSticky},
		{Name: "work/", Mode: 0o777 | fs.ModeSticky, UID: user},
	}
}

func (i Image) config(t build.Target, layer digest.Digest) v1.Image {
	created := i.Source.Date
	return v1.Image{
		Created: &created, Platform: t.Platform(),
		Config: v1.ImageConfig{
			User: fmt.Sprintf("%d:%d", user, user), WorkingDir: "/work", Entrypoint: []string{"/drayage"},
			Env: []string{"PATH=/", "HOME=/tmp"}, Labels: i.labels(),
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer}},
		History: []v1.History{{Created: &created, CreatedBy: "make release"}},
	}
}

func (i Image) labels() map[string]string {
	return map[string]string{
		v1.AnnotationTitle: "drayage", v1.AnnotationVersion: i.Source.Number(), v1.AnnotationLicenses: "Apache-2.0",
		v1.AnnotationDescription: "moves container images across an air gap, without a container engine",
		v1.AnnotationRevision:    i.Source.Commit, v1.AnnotationURL: i.Home,
		v1.AnnotationCreated: i.Source.Date.Format(time.RFC3339),
	}
}

// certificates are the roots that Mozilla trusts without a condition. A file in PEM cannot state a condition.
func certificates() []byte {
	var b bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}))
		}
	}
	return b.Bytes()
}

func store(ctx context.Context, dir *layout.Dir, mediaType string, document any) (v1.Descriptor, error) {
	raw, err := json.Marshal(document)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return storeBytes(ctx, dir, mediaType, raw)
}

func storeBytes(ctx context.Context, dir *layout.Dir, mediaType string, raw []byte) (v1.Descriptor, error) {
	d := image.Describe(mediaType, raw)
	return d, dir.Push(ctx, d, &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: raw}}, nil)
}
