// Package schema1 reads and converts images in Docker's manifest V2 schema 1, which has no configuration and
// no diff IDs (https://distribution.github.io/distribution/spec/manifest-v2-1/). [Parse] validates the
// manifest. [Image.Convert] makes a configuration and a schema 2 manifest of it and of what its layers hold.
// The image gets the image ID that Docker gives it when it pulls the image.
package schema1

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/dockerv1"
	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/verify"
)

// maxLayers bounds the entries of a manifest. Engines refuse images of more than 127 layers, but steps of a
// build that added no files have entries too.
const maxLayers = 4096

// Image is a validated schema 1 manifest.
type Image struct {
	Name, Tag    string // where it was first pushed to; it may be elsewhere now
	Architecture string
	Layers       []Layer // base first; at least one
}

// Layer is an entry of the manifest.
type Layer struct {
	Blob        digest.Digest
	Empty       bool   // it changed no files: nobody needs its blob
	Description []byte // the v1Compatibility JSON

	image dockerv1.Image
}

// document is the manifest as it is written. Its lists begin at the top layer.
type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	Name          lenient.Text `json:"name"`
	Tag           lenient.Text `json:"tag"`
	Architecture  lenient.Text `json:"architecture"`
	FSLayers      []struct {
		BlobSum digest.Digest `json:"blobSum"`
	} `json:"fsLayers"`
	History []struct {
		V1Compatibility string `json:"v1Compatibility"`
	} `json:"history"`
}

// Parse reads a manifest. It reads only the [Payload]: no digest covers the rest.
func Parse(raw []byte) (Image, error) {
	payload, err := Payload(raw)
	if err != nil {
		return Image{}, err
	}
	if err := jsonkeys.Bounded(payload); err != nil {
		return Image{}, fmt.Errorf("schema 1 manifest is too large: %v", err)
	}
	var doc document
	if err := json.Unmarshal(payload, &doc); err != nil {
		return Image{}, fmt.Errorf("schema 1 manifest is not valid JSON: %v", err)
	}
	if err := jsonkeys.UniqueRead(payload); err != nil {
		return Image{}, fmt.Errorf("schema 1 manifest is ambiguous: %v", err)
	}
	if err := doc.check(); err != nil {
		return Image{}, fmt.Errorf("schema 1 manifest: %v", err)
	}
	im := Image{Name: string(doc.Name), Tag: string(doc.Tag), Architecture: string(doc.Architecture)}
	for i := range doc.FSLayers {
		l, err := parseLayer(doc.FSLayers[i].BlobSum, doc.History[i].V1Compatibility)
		if err != nil {
			return Image{}, fmt.Errorf("schema 1 manifest, layer %d from the top: %v", i+1, err)
		}
		im.Layers = append(im.Layers, l)
	}
	slices.Reverse(im.Layers)
	if im.Layers, err = chain(im.Layers); err != nil {
		return Image{}, fmt.Errorf("schema 1 manifest: %v", err)
	}
	return im, nil
}

func (doc *document) check() error {
	switch layers, history := len(doc.FSLayers), len(doc.History); {
	case doc.SchemaVersion != 1:
		return fmt.Errorf("its schema version is %d", doc.SchemaVersion)
	case layers == 0:
		return errors.New("it has no layers")
	case layers != history:
		return fmt.Errorf("it has %d layers but describes %d", layers, history)
	case layers > maxLayers:
		return fmt.Errorf("it has %d layers, more than the %d that are accepted", layers, maxLayers)
	}
	return nil
}

func parseLayer(blob digest.Digest, description string) (Layer, error) {
	if err := verify.Digest(blob); err != nil {
		return Layer{}, err
	}
	im, err := dockerv1.Parse([]byte(description))
	var empty struct {
		Throwaway bool `json:"throwaway"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(description), &empty)
	}
	if err != nil {
		return Layer{}, fmt.Errorf("its description: %v", err)
	}
	if err := verify.Digest(digest.NewDigestFromEncoded(digest.SHA256, im.ID)); err != nil {
		return Layer{}, fmt.Errorf("its id %q is not 64 hexadecimal digits", im.ID)
	}
	return Layer{Blob: blob, Empty: empty.Throwaway, Description: []byte(description), image: im}, nil
}

// chain checks that each layer stands on the one before it. Some old versions of Docker wrote a layer twice
// in a row: chain drops the upper one, as Docker does.
func chain(layers []Layer) ([]Layer, error) {
	if parent := layers[0].image.Parent; parent != "" {
		return nil, fmt.Errorf("its base layer stands on %q, which is not there", parent)
	}
	seen := map[string]bool{layers[0].image.ID: true}
	kept := layers[:1]
	for _, l := range layers[1:] {
		below := kept[len(kept)-1].image.ID
		switch {
		case l.image.ID == below:
			continue
		case seen[l.image.ID]:
			return nil, fmt.Errorf("layer %s stands in it twice", l.image.ID)
		case l.image.Parent != below:
			return nil, fmt.Errorf("layer %s says that it stands on %q, but below it is %s",
				l.image.ID, l.image.Parent, below)
		}
		seen[l.image.ID] = true
		kept = append(kept, l)
	}
	return kept, nil
}

// Platform is what the image says it runs on. Early versions of Docker left it out.
func (im Image) Platform() v1.Platform {
	top := im.Layers[len(im.Layers)-1].image
	return v1.Platform{OS: top.OS, Architecture: top.Architecture, Variant: top.Variant}
}

// Blobs lists the blobs whose content [Image.Convert] needs to know, each once, base first.
func (im Image) Blobs() []digest.Digest {
	var blobs []digest.Digest
	seen := map[digest.Digest]bool{}
	for _, l := range im.Layers {
		if !l.Empty && !seen[l.Blob] {
			seen[l.Blob] = true
			blobs = append(blobs, l.Blob)
		}
	}
	return blobs
}

// Blob is what schema 1 does not say about the blob of a layer.
type Blob struct {
	Size   int64         // as it is stored
	DiffID digest.Digest // of the uncompressed tar
	Kind   string        // how it is compressed, as package compression names it
}

// descriptor and schema2 have their fields in Docker's order, not in that of OCI. So the manifest is byte for
// byte the one that skopeo makes, and both push the same digest.
type descriptor struct {
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	Digest    digest.Digest `json:"digest"`
}

type schema2 struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// layerTypes are the media types of layers by how they are compressed.
var layerTypes = map[string]string{
	compression.Gzip: image.DockerLayer,
	compression.None: image.DockerPlainLayer,
}

// Convert makes the configuration and the manifest of the image. The manifest has the type
// [image.DockerManifest]. blobs must have all of im.Blobs. The same image gives the same bytes.
//
// A layer is empty only where its description says "throwaway", as for Docker and skopeo. Docker before 1.10
// did not write that and stored an empty tar. Such layers stay: without them the image would get another
// image ID than Docker gives it.
func (im Image) Convert(blobs map[digest.Digest]Blob) (config, manifest []byte, err error) {
	m := schema2{SchemaVersion: 2, MediaType: image.DockerManifest, Layers: []descriptor{}}
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, l := range im.Layers {
		history = append(history, l.image.History(l.Empty))
		if l.Empty {
			continue
		}
		b, known := blobs[l.Blob]
		if !known {
			return nil, nil, fmt.Errorf("the content of layer %s is not known", l.Blob)
		}
		mediaType, known := layerTypes[b.Kind]
		if !known {
			return nil, nil, fmt.Errorf("layer %s: docker has no media type for a layer compressed with %s: %w",
				l.Blob, b.Kind, image.ErrUnsupported)
		}
		m.Layers = append(m.Layers, descriptor{mediaType, b.Size, l.Blob})
		diffIDs = append(diffIDs, b.DiffID)
	}
	top := im.Layers[len(im.Layers)-1].Description
	if config, err = dockerv1.Config(top, history, diffIDs); err != nil {
		return nil, nil, err
	}
	if len(config) > image.MaxConfigSize {
		return nil, nil, fmt.Errorf("its configuration would have %d bytes, more than the %d that are accepted",
			len(config), image.MaxConfigSize)
	}
	m.Config = descriptor{image.DockerConfig, int64(len(config)), digest.FromBytes(config)}
	manifest, err = json.Marshal(m)
	return config, manifest, err
}
