package record

import (
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/inspect"
)

// MediaType says what a record is, and the version of its form.
const MediaType = "application/vnd.drayage.record.v1+json"

// Document is a record.
type Document struct {
	MediaType string     `json:"mediaType"`
	Total     Total      `json:"total"`
	Files     []File     `json:"files"`     // sorted by name
	Images    []Image    `json:"images"`    // sorted by name, each once, whatever names it has
	Referrers []Referrer `json:"referrers"` // sorted by subject
	Layers    []Layer    `json:"layers"`    // each once, sorted by digest
}

// Total sums up a record. A layer counts once.
type Total struct {
	Images      int   `json:"imageCount"`
	Layers      int   `json:"layerCount"`
	LayerBytes  int64 `json:"layerBytes"`
	AbsentBytes int64 `json:"absentBytes"` // of LayerBytes: what is not inside
}

// File is a file that the images are in: the archive, or one of a layout.
type File struct {
	Name   string `json:"name"` // without directories before it; of a layout with / between them; - for a stream
	Size   int64  `json:"sizeBytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Image is one image: what a manifest, an index, or a configuration in a docker tar stands for.
type Image struct {
	Names      []string      `json:"names"` // sorted; may be none
	Kind       inspect.Kind  `json:"kind"`
	MediaType  string        `json:"mediaType,omitempty"`
	Digest     digest.Digest `json:"digest,omitempty"` // empty in a docker tar
	Platforms  []Platform    `json:"platforms"`        // in the order of the index
	LayerBytes int64         `json:"layerBytes"`       // each layer once: the sum of the next three
	New        int64         `json:"newBytes"`         // inside, and in no other image of the record
	Shared     int64         `json:"sharedBytes"`      // inside, and in another image of the record too
	Absent     int64         `json:"absentBytes"`      // not inside
}

// Platform is an image for one platform, or an artifact.
type Platform struct {
	Platform     string            `json:"platform,omitempty"`
	OSVersion    string            `json:"osVersion,omitempty"`
	Digest       digest.Digest     `json:"digest,omitempty"` // of the manifest; empty in a docker tar
	ID           digest.Digest     `json:"imageID,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Missing      bool              `json:"missing,omitempty"` // the index names it, but it is not inside
	Created      *time.Time        `json:"created,omitempty"`
	Base         *Base             `json:"base,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Layers       []digest.Digest   `json:"layers"` // base first; see Layer.Key
}

// Base is what an image was built on.
type Base struct {
	From   string `json:"from"`             // "annotation", "label", or "layers": what tells
	Name   string `json:"name,omitempty"`   // as the annotation or label has it
	Digest string `json:"digest,omitempty"` // as the annotation or label has it

	// Of "layers": the layers at the beginning that another image of the record has too.
	Layers int    `json:"layerCount,omitempty"`
	Image  string `json:"image,omitempty"` // the name or digest of that image
}

// Referrer belongs to an image: a signature, an attestation, an SBOM.
type Referrer struct {
	Digest  digest.Digest `json:"digest"`
	Subject digest.Digest `json:"subject,omitempty"` // an index, a manifest or another referrer
	Type    string        `json:"artifactType,omitempty"`
	Is      []string      `json:"is"`                // signature, attestation, SBOM, provenance or artifact
	Size    int64         `json:"sizeBytes"`         // with its blobs
	Missing bool          `json:"missing,omitempty"` // an index names it, but it is not inside
}

// Layer is a layer, or a blob of an artifact.
type Layer struct {
	Digest    digest.Digest `json:"digest,omitempty"` // empty if it would take reading the layer
	DiffID    digest.Digest `json:"diffID,omitempty"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"sizeBytes"`
	Images    int           `json:"imageCount"`       // how many images of the record have it
	Absent    string        `json:"absent,omitempty"` // why it is not inside; empty: it is
}

// The reasons why a layer is not inside.
const (
	LeftOut       = "destination" // it must be at the destination
	Foreign       = "foreign"     // its descriptor has the addresses where it is
	OtherPlatform = "platform"    // it is for a platform that whoever made the archive did not have
)

// Key tells layers apart: the digest, or else the diff ID.
func (l *Layer) Key() digest.Digest {
	if l.Digest == "" {
		return l.DiffID
	}
	return l.Digest
}

// Key tells images apart: the digest, or the image ID of an image in a docker tar.
func (im *Image) Key() digest.Digest {
	if im.Digest == "" && len(im.Platforms) > 0 {
		return im.Platforms[0].ID
	}
	return im.Digest
}

// Title is what to call the image: its first name, or else its digest or image ID.
func (im *Image) Title() string {
	if len(im.Names) > 0 {
		return im.Names[0]
	}
	return im.Key().String()
}
