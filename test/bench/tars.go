//go:build linux

package bench

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// savedManifest is manifest.json of a saved tar.
type savedManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerTar is an image as `docker save` writes it, layers uncompressed. It is made by this package, so that
// no tool reads its own.
func (d *dataset) dockerTar(ctx context.Context, img image) (string, error) {
	return d.tar(ctx, img, "docker", func(tw *tar.Writer) error {
		saved := savedManifest{Config: img.Config.Digest.Encoded() + ".json", RepoTags: []string{img.Name}}
		for _, diffID := range img.DiffIDs {
			saved.Layers = append(saved.Layers, diffID.Encoded()+"/layer.tar")
		}
		config, err := os.ReadFile(d.blob(img.Config.Digest.Encoded()))
		if err != nil {
			return err
		}
		if err := errors.Join(addJSON(tw, "manifest.json", []savedManifest{saved}),
			addBytes(tw, saved.Config, config)); err != nil {
			return err
		}
		for i, desc := range img.Layers {
			if err := d.addUnpacked(ctx, tw, saved.Layers[i], desc); err != nil {
				return err
			}
		}
		return nil
	})
}

// ociTar is an image as a layout in a tar, which docker loads too.
func (d *dataset) ociTar(ctx context.Context, img image) (string, error) {
	return d.tar(ctx, img, "oci", func(tw *tar.Writer) error {
		index, err := indexOf([]image{img})
		if err != nil {
			return err
		}
		saved := savedManifest{Config: blobPath(img.Config), RepoTags: []string{img.Name}}
		for _, desc := range img.Layers {
			saved.Layers = append(saved.Layers, blobPath(desc))
		}
		err = errors.Join(addBytes(tw, v1.ImageLayoutFile, layoutMarker), addBytes(tw, v1.ImageIndexFile, index),
			addJSON(tw, "manifest.json", []savedManifest{saved}))
		if err != nil {
			return err
		}
		for _, desc := range append([]v1.Descriptor{img.Manifest, img.Config}, img.Layers...) {
			if err := d.addFile(ctx, tw, blobPath(desc), desc); err != nil {
				return err
			}
		}
		return nil
	})
}

func blobPath(desc v1.Descriptor) string { return "blobs/sha256/" + desc.Digest.Encoded() }

// tar makes a tar once, and leaves none behind that is not whole.
func (d *dataset) tar(ctx context.Context, img image, kind string, write func(*tar.Writer) error) (string,
	error) {
	_, tag := splitName(img.Name)
	path := filepath.Join(d.dir, kind+"-"+tag+".tar")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path + ".partial")
	if err != nil {
		return "", err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	tw := tar.NewWriter(buffered)
	if err := write(tw); err != nil {
		return "", err
	}
	if err := errors.Join(tw.Close(), buffered.Flush(), f.Sync()); err != nil {
		return "", err
	}
	return path, errors.Join(ctx.Err(), os.Rename(f.Name(), path))
}

func addJSON(tw *tar.Writer, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return addBytes(tw, name, raw)
}

func addBytes(tw *tar.Writer, name string, raw []byte) error {
	return addStream(tw, name, int64(len(raw)), bytes.NewReader(raw))
}

func addStream(tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: created}); err != nil {
		return err
	}
	n, err := io.Copy(tw, r)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, not %d", name, n, size)
	}
	return err
}

func (d *dataset) addFile(ctx context.Context, tw *tar.Writer, name string, desc v1.Descriptor) error {
	f, err := os.Open(d.blob(desc.Digest.Encoded()))
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(ctx.Err(), addStream(tw, name, desc.Size, f))
}

// addUnpacked reads a layer twice, first for its size.
func (d *dataset) addUnpacked(ctx context.Context, tw *tar.Writer, name string, desc v1.Descriptor) error {
	size, err := d.unpack(ctx, desc, io.Discard)
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: created}); err != nil {
		return err
	}
	_, err = d.unpack(ctx, desc, tw)
	return err
}

func (d *dataset) unpack(ctx context.Context, desc v1.Descriptor, w io.Writer) (int64, error) {
	f, err := os.Open(d.blob(desc.Digest.Encoded()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	zr, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, zr)
	return n, errors.Join(ctx.Err(), err)
}
