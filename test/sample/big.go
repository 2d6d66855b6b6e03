package sample

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
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// Big is an image of one large layer, for this machine's platform. The layer lies in a file.
type Big struct {
	Manifest wire.Manifest
	Config   []byte
	Layer    v1.Descriptor
	File     string        // the layer, compressed
	DiffID   digest.Digest // of the layer's tar
	Unpacked int64         // bytes of the layer's tar
}

// BuildBig writes a layer of at least size bytes, before compression, into a new file in dir. Its content is
// the Go source tree, over and over: real files compress like real files. Memory use does not depend on size.
func BuildBig(ctx context.Context, dir string, size int64) (*Big, error) {
	b, err := packBig(ctx, dir, size)
	if err != nil {
		return nil, fmt.Errorf("big image: %v", err)
	}
	config := newConfig(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, []digest.Digest{b.DiffID})
	config.History = nil
	if b.Config, err = json.Marshal(config); err != nil {
		return nil, err
	}
	b.Manifest.MediaType = v1.MediaTypeImageManifest
	b.Manifest.Raw, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    describe(v1.MediaTypeImageConfig, b.Config),
		Layers:    []v1.Descriptor{b.Layer},
	})
	b.Manifest.Descriptor = describe(v1.MediaTypeImageManifest, b.Manifest.Raw)
	return b, err
}

// Seed puts the image into a repository under a tag.
func (b *Big) Seed(ctx context.Context, repo *wire.Repository, tag string) error {
	f, err := os.Open(b.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := repo.PutBlob(ctx, b.Layer.Digest, b.Layer.Size, f); err != nil {
		return err
	}
	if err := repo.PutBlob(ctx, digest.FromBytes(b.Config), int64(len(b.Config)),
		bytes.NewReader(b.Config)); err != nil {
		return err
	}
	return repo.PutManifest(ctx, tag, b.Manifest.MediaType, b.Manifest.Raw)
}

func packBig(ctx context.Context, dir string, size int64) (_ *Big, err error) {
	f, err := os.CreateTemp(dir, "layer-*.tar.gz")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	packed, unpacked := digest.Canonical.Digester(), digest.Canonical.Digester()
	buffered := bufio.NewWriterSize(f, 1<<20)
	zw, err := gzip.NewWriterLevel(io.MultiWriter(buffered, packed.Hash()), gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	counter := &byteCounter{w: io.MultiWriter(zw, unpacked.Hash())}
	if err := writeTree(ctx, counter, size); err != nil {
		return nil, err
	}
	if err := errors.Join(zw.Close(), buffered.Flush()); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &Big{
		Layer:    v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: packed.Digest(), Size: info.Size()},
		File:     f.Name(),
		DiffID:   unpacked.Digest(),
		Unpacked: counter.n,
	}, nil
}

// writeTree writes a tar of Go's own sources, each round below another directory, and ends it once size is
// reached.
func writeTree(ctx context.Context, out *byteCounter, size int64) error {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %v", err)
	}
	src := os.DirFS(filepath.Join(strings.TrimSpace(string(goroot)), "src"))
	tw := tar.NewWriter(out)
	for round := 0; out.n < size; round++ {
		before := out.n
		err := fs.WalkDir(src, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			if out.n >= size {
				return fs.SkipAll
			}
			return errors.Join(ctx.Err(), writeFile(tw, src, name, fmt.Sprintf("round%d", round)))
		})
		if err != nil {
			return err
		}
		if out.n == before {
			return errors.New("the Go source tree holds no files")
		}
	}
	return tw.Close()
}

func writeFile(tw *tar.Writer, src fs.FS, name, below string) error {
	content, err := fs.ReadFile(src, name)
	if err != nil {
		return err
	}
	// PAX where a name is too long for ustar.
	header := &tar.Header{Name: path.Join(below, name), Mode: 0o644, Size: int64(len(content)), ModTime: created}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = tw.Write(content)
	return err
}

type byteCounter struct {
	w io.Writer
	n int64
}

func (c *byteCounter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
