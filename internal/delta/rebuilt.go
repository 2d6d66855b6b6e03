package delta

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// Rebuilt is a layer that is not in the archive, which has a patch instead: what other layers unpack to
// becomes what this one unpacks to. With the recipe that becomes the bytes of the layer.
type Rebuilt struct {
	Blob
	Unpacked   int64         `json:"unpacked"` // bytes that the layer unpacks to
	Patch      digest.Digest `json:"patch"`
	PatchSize  int64         `json:"patchSize"`
	Recipe     digest.Digest `json:"recipe,omitempty"` // absent if the layer is plain, or with Content
	RecipeSize int64         `json:"recipeSize,omitempty"`
	Model      string        `json:"model,omitempty"`   // for people
	Content    bool          `json:"content,omitempty"` // only what the layer unpacks to can be rebuilt
	Bases      bases         `json:"bases"`             // in the order of the patch
}

// Base is a layer that a patch needs, with the digest of the blob as the far side has it.
type Base struct {
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	DiffID    digest.Digest `json:"diffID"`
	MediaType string        `json:"mediaType"`
}

// NewRebuilt describes a layer of an image that is made again as a says.
func NewRebuilt(b Blob, a *image.Rebuilt) Rebuilt {
	r := Rebuilt{Blob: b, Unpacked: a.Unpacked, Patch: a.Patch.Digest, PatchSize: a.Patch.Size,
		Recipe: a.Recipe.Digest, RecipeSize: a.Recipe.Size, Model: a.Model, Content: a.Content}
	for _, base := range a.Bases {
		r.Bases = append(r.Bases, Base{base.Digest, base.Size, base.DiffID, base.MediaType})
	}
	return r
}

// How is how the layer is made again.
func (r *Rebuilt) How() *image.Rebuilt {
	a := &image.Rebuilt{Unpacked: r.Unpacked, Model: r.Model, Content: r.Content,
		Patch:  v1.Descriptor{Digest: r.Patch, Size: r.PatchSize},
		Recipe: v1.Descriptor{Digest: r.Recipe, Size: r.RecipeSize}}
	for _, b := range r.Bases {
		d := v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
		a.Bases = append(a.Bases, image.Base{Descriptor: d, DiffID: b.DiffID})
	}
	return a
}

// validatePatches checks what the document says of layers that are rebuilt.
func (d *Document) validatePatches() error {
	whole, rebuilt := map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for i := range d.Absent {
		whole[d.Absent[i].Digest] = true
	}
	for i := range d.Rebuilt {
		r := &d.Rebuilt[i]
		if err := r.validate(len(d.Images)); err != nil {
			return err
		}
		switch {
		case i > 0 && r.Digest <= d.Rebuilt[i-1].Digest:
			return fmt.Errorf("its patches are not sorted, each once: %s", r.Digest)
		case whole[r.Digest]:
			return fmt.Errorf("%s is absent and rebuilt", r.Digest)
		}
		rebuilt[r.Digest] = true
	}
	for i := range d.Rebuilt {
		for _, b := range d.Rebuilt[i].Bases {
			if rebuilt[b.Digest] {
				return fmt.Errorf("%s needs %s, which is rebuilt itself", d.Rebuilt[i].Digest, b.Digest)
			}
		}
	}
	return nil
}

func (r *Rebuilt) validate(images int) error {
	if err := r.Blob.validate(images); err != nil {
		return err
	}
	parts := []v1.Descriptor{{Digest: r.Patch, Size: r.PatchSize}}
	if r.Recipe != "" {
		parts = append(parts, v1.Descriptor{Digest: r.Recipe, Size: r.RecipeSize})
	}
	for _, p := range parts {
		if err := verify.Descriptor(p); err != nil {
			return fmt.Errorf("%s: patch or recipe: %w", r.Digest, err)
		}
	}
	switch {
	case r.DiffID == "":
		return fmt.Errorf("%s is rebuilt, and has no diff ID", r.Digest)
	case r.Recipe == "" && r.RecipeSize != 0 || r.Recipe != "" && r.Content:
		return fmt.Errorf("%s: what it says of a recipe contradicts itself", r.Digest)
	case r.Recipe == "" && !r.Content && (r.Unpacked != r.Size || r.DiffID != r.Digest):
		return fmt.Errorf("%s is compressed, and has no recipe", r.Digest)
	case r.Unpacked < 0 || (r.Unpacked-64<<10)/expansion > r.Size:
		return fmt.Errorf("%s cannot unpack to %d bytes", r.Digest, r.Unpacked)
	case len(r.Model) > limits.DeltaModel:
		return fmt.Errorf("%s: its model has a name of %d bytes", r.Digest, len(r.Model))
	}
	return r.validateBases()
}

// expansion bounds how much deflate unpacks to: one byte becomes at most 1,032.
const expansion = 1032

func (r *Rebuilt) validateBases() error {
	if len(r.Bases) == 0 {
		return fmt.Errorf("%s is rebuilt from nothing", r.Digest)
	}
	seen := map[digest.Digest]bool{}
	for _, b := range r.Bases {
		d := v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
		if err := verify.Descriptor(d); err != nil {
			return fmt.Errorf("%s: base: %w", r.Digest, err)
		}
		if err := verify.Digest(b.DiffID); err != nil {
			return fmt.Errorf("%s: base %s: diff ID: %w", r.Digest, b.Digest, err)
		}
		if b.MediaType == "" || len(b.MediaType) > maxMediaType {
			return fmt.Errorf("%s: base %s: no media type, or one of more than %d bytes", r.Digest, b.Digest,
				maxMediaType)
		}
		if seen[b.DiffID] {
			return fmt.Errorf("%s needs the base %s twice", r.Digest, b.DiffID)
		}
		seen[b.DiffID] = true
	}
	return nil
}
