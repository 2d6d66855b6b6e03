//go:build linux

package pairs

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/klauspost/pgzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
)

// encoder compresses layers as a builder does.
type encoder struct {
	title   string
	program []string // compresses standard input; or:
	writer  func(w io.Writer) (io.WriteCloser, error)
}

// encoders are those of the builders in use.
var encoders = []encoder{
	{title: "Go -6 (docker push, BuildKit)", writer: goLevel(6)},
	{title: "Go -1 (kaniko, crane, ko)", writer: goLevel(1)},
	{title: "pgzip (podman, buildah, skopeo)", writer: func(w io.Writer) (io.WriteCloser, error) {
		return pgzip.NewWriter(w), nil
	}},
	{title: "pigz -9 (Debian's images)", program: []string{"pigz", "-9", "-n"}},
	{title: "zlib -6 (bsdtar, python)", program: []string{"/usr/bin/python3", "-c",
		"import sys, zlib; z = zlib.compressobj(6, wbits=31); i, o = sys.stdin.buffer, sys.stdout.buffer\n" +
			"while b := i.read(1 << 20): o.write(z.compress(b))\no.write(z.flush())"}},
}

func goLevel(level int) func(io.Writer) (io.WriteCloser, error) {
	return func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, level) }
}

// compress writes a file compressed to w.
func (e encoder) compress(ctx context.Context, name string, w io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if e.program != nil {
		cmd := exec.CommandContext(ctx, e.program[0], e.program[1:]...)
		cmd.Stdin, cmd.Stdout = f, w
		return cmd.Run()
	}
	z, err := e.writer(w)
	if err != nil {
		return err
	}
	_, err = io.Copy(z, f)
	return errors.Join(err, z.Close())
}

// image writes an OCI layout of one image of one layer. It returns the layer and the manifest.
func (e encoder) image(ctx context.Context, dir, layer, tag string) (l, m v1.Descriptor, err error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err = os.MkdirAll(blobs, 0o755); err != nil {
		return l, m, err
	}
	put := func(mediaType string, write func(io.Writer) error) v1.Descriptor {
		f, again := os.CreateTemp(blobs, "blob")
		if err = errors.Join(err, again); err != nil {
			return v1.Descriptor{}
		}
		h := sha256.New()
		err = errors.Join(err, write(io.MultiWriter(f, h)))
		info, _ := f.Stat()
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, h), Size: info.Size()}
		err = errors.Join(err, f.Close(), os.Rename(f.Name(), filepath.Join(blobs, d.Digest.Encoded())))
		return d
	}
	object := func(mediaType string, v any) v1.Descriptor {
		return put(mediaType, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
	}
	plain := sha256.New()
	err = errors.Join(err, copyFile(plain, layer))
	l = put(v1.MediaTypeImageLayerGzip, func(w io.Writer) error { return e.compress(ctx, layer, w) })
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.NewDigest(digest.SHA256, plain)}}}
	m = object(v1.MediaTypeImageManifest, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest, Config: object(v1.MediaTypeImageConfig, config),
		Layers: []v1.Descriptor{l}})
	named := m
	named.Annotations = map[string]string{v1.AnnotationRefName: tag,
		"io.containerd.image.name": name + ":" + tag}
	index, _ := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{named}})
	return l, m, errors.Join(err, os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644),
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
}

// name is that of all images.
const name = "registry.example/pair"

func copyFile(to io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

// crossed is what a pair took through drayage's commands.
type crossed struct {
	layer, archive int64
	save, push     cost
}

// through sends a pair from a layout through an archive to a registry that has the old image.
func (w *work) through(drayage, old, new string, e encoder) (c crossed, err error) {
	dir, err := os.MkdirTemp(w.dir, "through-")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	if _, _, err = e.image(w.ctx, at("old"), old, "1"); err != nil {
		return c, err
	}
	layer, manifest, err := e.image(w.ctx, at("new"), new, "2")
	if err != nil {
		return c, err
	}
	c.layer = layer.Size
	if err := os.Mkdir(at("registry"), 0o755); err != nil {
		return c, err
	}
	server, err := registry3.Start(w.ctx, registry3.Options{Dir: at("registry")})
	if err != nil {
		return c, err
	}
	defer server.Close()
	far := server.Addr() + "/"
	run := func(args ...string) cost {
		one := measured(w.ctx, append([]string{drayage}, args...)...)
		if one.failed != "" && err == nil {
			err = fmt.Errorf("drayage %s: %s", strings.Join(args, " "), one.failed)
		}
		return one
	}
	run("save", at("old"), "-o", at("old.tar"), "--format", "oci")
	run("push", at("old.tar"), far)
	c.save = run("save", at("new"), "-o", at("new.tar"), "--since", at("old.tar"), "--patch")
	if err != nil {
		return c, err
	}
	if info, err := os.Stat(at("new.tar")); err == nil {
		c.archive = info.Size()
	}
	if c.push = run("push", at("new.tar"), far); err == nil {
		err = arrived("http://"+server.Addr()+"/v2/pair/", manifest, layer)
	}
	return c, err
}

// accepted are the most bytes that an archive of a pair may have.
var accepted = map[string]int64{"base": 1_000_000, "apt": 40_000, "bump": 450_000, "go": 1_000_000,
	"golang": 150_000}

// memoryLimit is that of each command, in bytes.
const memoryLimit = 100 << 20

// fault says what is wrong with what a pair took.
func (c crossed) fault(p pair) string {
	var all []string
	if most, ok := accepted[p.id]; ok && c.archive > most {
		all = append(all, fmt.Sprintf("the archive has %d bytes, more than %d", c.archive, most))
	}
	if most := max(c.save.memory, c.push.memory); most > memoryLimit {
		all = append(all, fmt.Sprintf("%d MiB of memory", most>>20))
	}
	return strings.Join(all, "; ")
}

// arrived compares what a registry has with what it ought to have.
func arrived(url string, manifest, layer v1.Descriptor) error {
	all := map[string]v1.Descriptor{"manifests/2": manifest, "blobs/" + layer.Digest.String(): layer}
	for path, d := range all {
		request, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Accept", manifest.MediaType)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, answer.Body)
		answer.Body.Close()
		if got := digest.NewDigest(digest.SHA256, h); err != nil || got != d.Digest {
			return fmt.Errorf("%s has digest %s, not %s: %v", path, got, d.Digest, err)
		}
	}
	return nil
}
