//go:build linux

package bench

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// checkLayout compares every blob of the images in a layout with its digest, and returns the bytes of the
// directory.
func checkLayout(dir string, images []image) (int64, error) {
	for _, img := range images {
		for _, desc := range append([]v1.Descriptor{img.Manifest, img.Config}, img.Layers...) {
			if err := checkFile(filepath.Join(dir, filepath.FromSlash(blobPath(desc))), desc.Digest); err != nil {
				return 0, err
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if err != nil {
		return 0, err
	}
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return 0, err
	}
	named := map[digest.Digest]bool{}
	for _, desc := range index.Manifests {
		named[desc.Digest] = true
	}
	for _, img := range images {
		if !named[img.Manifest.Digest] {
			return 0, fmt.Errorf("index.json does not name %s", img.Manifest.Digest)
		}
	}
	return treeSize(dir)
}

func checkFile(path string, want digest.Digest) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := digest.Canonical.FromReader(f)
	if err == nil && got != want {
		err = fmt.Errorf("%s is %s", filepath.Base(path), got)
	}
	return err
}

func treeSize(root string) (total int64, err error) {
	err = filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// checkTar reads a tar by its manifest.json: the configuration must be that of the image, and each layer its
// layer, as the registry has it or unpacked. It returns the size of the file.
func checkTar(file string, img image, unpacked bool) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	digests, links, manifest, err := readTar(f)
	if err != nil {
		return 0, err
	}
	var saved []savedManifest
	if err := json.Unmarshal(manifest, &saved); err != nil || len(saved) != 1 ||
		len(saved[0].Layers) != len(img.Layers) {
		return 0, fmt.Errorf("manifest.json is %q", manifest)
	}
	if digests[saved[0].Config] != img.Config.Digest {
		return 0, fmt.Errorf("%s is not the configuration", saved[0].Config)
	}
	for i, name := range saved[0].Layers {
		if target, ok := links[name]; ok {
			name = target
		}
		want := img.Layers[i].Digest
		if unpacked {
			want = img.DiffIDs[i]
		}
		if digests[name] != want {
			return 0, fmt.Errorf("%s is %q, not %s", name, digests[name], want)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func readTar(f io.Reader) (digests map[string]digest.Digest, links map[string]string, manifest []byte,
	err error) {
	digests, links = map[string]digest.Digest{}, map[string]string{}
	for tr := tar.NewReader(f); ; {
		header, err := tr.Next()
		if err == io.EOF {
			return digests, links, manifest, nil
		}
		if err != nil {
			return nil, nil, nil, err
		}
		switch {
		case header.Typeflag == tar.TypeSymlink:
			links[header.Name] = path.Join(path.Dir(header.Name), header.Linkname)
		case header.Typeflag == tar.TypeLink:
			links[header.Name] = header.Linkname
		case header.Name == "manifest.json":
			if manifest, err = io.ReadAll(io.LimitReader(tr, 1<<20)); err != nil {
				return nil, nil, nil, err
			}
		default:
			if digests[header.Name], err = digest.Canonical.FromReader(tr); err != nil {
				return nil, nil, nil, err
			}
		}
	}
}

// checkPushed reads an image back from a registry: its layers must unpack to the diff IDs. It returns the
// bytes of the layers. With exact, the manifest must be the one that the image has.
func checkPushed(ctx context.Context, s *server, name string, img image, exact bool) (size int64, err error) {
	repository, tag := splitName(name)
	repo := &wire.Repository{URL: "http://" + s.addr, Name: repository}
	stored, err := repo.Manifest(ctx, tag)
	if err != nil {
		return 0, err
	}
	if exact && stored.Digest != img.Manifest.Digest {
		return 0, fmt.Errorf("the manifest is %s, not %s", stored.Digest, img.Manifest.Digest)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(stored.Raw, &manifest); err != nil {
		return 0, err
	}
	if len(manifest.Layers) != len(img.DiffIDs) {
		return 0, fmt.Errorf("the manifest has %d layers, not %d", len(manifest.Layers), len(img.DiffIDs))
	}
	for i, desc := range manifest.Layers {
		if err := checkBlob(ctx, repo, desc, img.DiffIDs[i]); err != nil {
			return 0, err
		}
		size += desc.Size
	}
	return size, nil
}

func checkBlob(ctx context.Context, repo *wire.Repository, desc v1.Descriptor, diffID digest.Digest) error {
	body, err := repo.Blob(ctx, desc.Digest)
	if err != nil {
		return err
	}
	defer body.Close()
	outside := digest.Canonical.Digester()
	unpacked, err := decompress(io.TeeReader(body, outside.Hash()))
	if err != nil {
		return err
	}
	defer unpacked.Close()
	inside, err := digest.Canonical.FromReader(unpacked)
	if err != nil {
		return err
	}
	if _, err := io.Copy(outside.Hash(), body); err != nil {
		return err
	}
	if inside != diffID || outside.Digest() != desc.Digest {
		return fmt.Errorf("layer %s unpacks to %s, not %s", outside.Digest(), inside, diffID)
	}
	return nil
}

// decompress knows gzip and zstd by their first bytes, and takes anything else for uncompressed.
func decompress(r io.Reader) (io.ReadCloser, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	switch {
	case n > 1 && head[0] == 0x1f && head[1] == 0x8b:
		return gzip.NewReader(r)
	case n > 3 && head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd:
		zr, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return zr.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// checkLayoutTar looks for every blob of an image in a tar.
func checkLayoutTar(file string, img image) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	digests, _, _, err := readTar(f)
	if err != nil {
		return 0, err
	}
	for _, desc := range append([]v1.Descriptor{img.Manifest, img.Config}, img.Layers...) {
		if digests[blobPath(desc)] != desc.Digest {
			return 0, fmt.Errorf("%s is %q", blobPath(desc), digests[blobPath(desc)])
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// allocated is what a sparse file takes on disk.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
