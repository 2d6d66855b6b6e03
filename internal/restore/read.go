package restore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/inventory"
	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/record"
	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/internal/verify"
)

// ParseDigest reads a digest, or a name with one as drayage digest prints it. It reports whether the text is
// one.
func (c *Clue) ParseDigest(text string) bool {
	name, d, found := strings.Cut(text, "@")
	if !found {
		name, d = "", text
	}
	if digest.Digest(d).Validate() != nil || strings.ContainsAny(name, " \t") {
		return false
	}
	c.AddDigest(digest.Digest(d), name)
	return true
}

// Read reads what spec means: a manifest or an index as a registry has it, a record, an inventory, a list of
// digests, or a layout or an archive with manifests.
func (c *Clue) Read(ctx context.Context, spec source.Spec, opts source.Options) error {
	if spec.Kind == source.Archive && spec.Name == "" {
		if known, err := c.readFile(spec.Path); known || err != nil {
			return err
		}
	}
	opts.Look, opts.Thin = true, true
	set, err := spec.Open(ctx, opts)
	if err != nil {
		return spec.Explain(err)
	}
	defer set.Close()
	for _, im := range set.Images {
		if im.Saved != nil {
			continue
		}
		if err := c.readImage(ctx, im); err != nil {
			return fmt.Errorf("%s: %w", im.Label, err)
		}
	}
	if len(c.manifests) == 0 {
		return usage.Errorf("there is no manifest in it: an archive with manifests is one of save --format oci")
	}
	return nil
}

// readImage notes the manifests of an image that are there.
func (c *Clue) readImage(ctx context.Context, im *source.Image) error {
	root, src, err := im.Root(ctx)
	if err != nil {
		return err
	}
	raw, err := image.ReadAll(ctx, src, root, image.MaxManifestSize)
	if err != nil {
		return err
	}
	if !image.IsIndex(root.MediaType) {
		if doc, err := image.ParseManifest(root.MediaType, raw); err == nil && !doc.MayBeImage() {
			return nil
		}
		return c.AddDocument(root.MediaType, raw)
	}
	doc, err := image.ParseManifest(root.MediaType, raw)
	if err != nil {
		return err
	}
	for _, d := range doc.Manifests[:min(len(doc.Manifests), limits.Manifests)] {
		put(&c.indexes, d.Digest, root.Digest)
		child, err := image.ReadAll(ctx, src, d, image.MaxManifestSize)
		if err == nil && image.IsImageManifest(d.MediaType) {
			_ = c.AddDocument(d.MediaType, child) // an attestation is none of an image
		}
	}
	return ctx.Err()
}

// maxText is the size of the largest file that may be a document or a list.
const maxText = image.MaxManifestSize

// readFile reads a file of text. It reports whether the file is one that it knows.
func (c *Clue) readFile(name string) (known bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	begin, err := r.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	begin = plaintext.UTF8(begin)
	switch trimmed := bytes.TrimLeft(begin, " \t\r\n"); {
	case inventory.IsInventory(begin):
		return true, c.readInventory(r)
	case bytes.HasPrefix(trimmed, []byte("<")) || bytes.Contains(begin, []byte(record.MediaType)):
		return true, c.readRecord(r)
	case bytes.HasPrefix(trimmed, []byte("{")):
		return true, c.readDocument(r)
	case len(trimmed) == 0:
		return true, usage.Errorf("the file is empty: it has neither digests nor a manifest")
	case !isList(trimmed):
		return false, nil
	}
	return true, c.readList(r)
}

// isList reports whether a list of digests begins so. Comments may stand before the first digest.
func isList(text []byte) bool {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		line, _, comment := bytes.Cut(line, []byte("#"))
		if line = bytes.TrimSpace(line); len(line) > 0 || !comment {
			return len(line) < limits.Name && new(Clue).ParseDigest(string(line))
		}
		text = bytes.TrimLeft(text, " \t\r\n")
	}
	return false
}

func readText(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err == nil && len(raw) > maxText {
		err = kind.Errorf(image.ErrTooMany, "it has more than %d MiB", maxText>>20)
	}
	return raw, err
}

// readDocument reads a manifest or an index. Its digest is that of its bytes, so they have to be the
// registry's: PowerShell's > writes others.
func (c *Clue) readDocument(r io.Reader) error {
	raw, err := readText(r)
	if err != nil {
		return err
	}
	if !bytes.Equal(plaintext.UTF8(raw), raw) {
		return verify.Mismatchf("the shell has written this manifest in other bytes than it has, so that its " +
			"digest is lost: write it with cmd or bash, or give the digest")
	}
	if err := c.AddDocument("", raw); err != nil {
		return usage.Errorf("it is no manifest as drayage manifest prints it: %v", err)
	}
	return nil
}

// readList reads digests, one a line. What follows # is a comment.
func (c *Clue) readList(r io.Reader) error {
	raw, err := readText(r)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(plaintext.UTF8(raw)), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" && !c.ParseDigest(line) {
			return usage.Errorf("line %d: %.200q is no digest, nor a name with one", i+1, line)
		}
	}
	return nil
}

func (c *Clue) readInventory(r io.Reader) error {
	v, err := inventory.Parse(r)
	if err != nil {
		return kind.Errorf(verify.ErrMismatch, "%w", err)
	}
	for b := range v.Blobs() {
		if b.DiffID == "" {
			put(&c.listed, b.Digest, true)
		} else {
			c.AddBlob(b.DiffID, v1.Descriptor{MediaType: image.DockerLayer, Digest: b.Digest, Size: b.Size})
		}
	}
	return nil
}

func (c *Clue) readRecord(r io.Reader) error {
	doc, err := record.Read(r)
	if err != nil {
		return kind.Errorf(verify.ErrMismatch, "%w", err)
	}
	for _, l := range doc.Layers {
		if l.Digest != "" && l.DiffID != "" {
			c.AddBlob(l.DiffID, v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
		}
	}
	for _, im := range doc.Images {
		for _, p := range im.Platforms {
			if p.Digest != "" && p.ID != "" {
				c.AddOf(p.ID, p.Digest)
				if im.Digest != p.Digest && im.Digest != "" {
					put(&c.indexes, p.Digest, im.Digest)
				}
			}
		}
	}
	if len(c.ofConfig) == 0 {
		return usage.Errorf("this record has no digest of a manifest: it is that of a docker tar")
	}
	return nil
}
