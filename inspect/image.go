// Package inspect tells what an image is without reading its layers. [Read] looks at one in a registry or a
// layout, [Saved] at one in a saved tar. What they return can be written as JSON as it is.
package inspect

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/registry"
)

// Kind says what the name of an image stands for.
type Kind string

// The kinds of images.
const (
	Index    Kind = "index"    // several platforms
	Manifest Kind = "manifest" // one image
	Artifact Kind = "artifact" // something else than an image, such as a Helm chart or a signature
	SavedTar Kind = "saved"    // an image in a tar of docker save, which has no manifest of its own
)

// Image is what an image consists of.
type Image struct {
	Names        []string      `json:"names"`
	Kind         Kind          `json:"kind"`
	MediaType    string        `json:"mediaType,omitempty"` // of what the name stands for, like Digest and Size
	Digest       digest.Digest `json:"digest,omitempty"`    // empty for a saved tar
	Size         int64         `json:"size,omitempty"`
	Platforms    []Platform    `json:"platforms"`
	Attestations []Attestation `json:"attestations,omitempty"`
	Referrers    []Referrer    `json:"referrers,omitempty"` // as far as they were asked for
	Layers       int           `json:"layers"`              // different ones in all Platforms together
	LayerBytes   int64         `json:"layerBytes"`          // their size, each counted once
}

// Platform is an image for one platform, or an artifact.
type Platform struct {
	Platform     string        `json:"platform,omitempty"`  // os/arch[/variant]; empty if nothing says it
	OSVersion    string        `json:"osVersion,omitempty"` // of images for Windows
	Digest       digest.Digest `json:"digest,omitempty"`    // of the manifest; empty for a saved tar
	MediaType    string        `json:"mediaType,omitempty"` // of the manifest
	Size         int64         `json:"size,omitempty"`      // of the manifest
	ArtifactType string        `json:"artifactType,omitempty"`

	// Missing is set where an index refers to a manifest that is not there; nothing more is known then.
	Missing bool `json:"missing,omitempty"`

	ID          digest.Digest     `json:"imageID,omitempty"` // digest of the configuration
	DockerID    *DockerID         `json:"dockerImages,omitempty"`
	Config      *Config           `json:"config,omitempty"` // nil if it was not asked for or is none of an image
	Layers      []Layer           `json:"layers,omitempty"` // base first
	LayerBytes  int64             `json:"layerBytes"`       // as they are stored, each counted once
	Annotations map[string]string `json:"annotations,omitempty"`
}

// DockerID is what docker images shows as the ID of an image, after it has been pulled or, if it is saved,
// loaded.
type DockerID struct {
	GraphDriver digest.Digest `json:"graphDriver"`          // store of Docker before 29, and of podman
	Containerd  digest.Digest `json:"containerd,omitempty"` // containerd's image store; empty if loading decides
}

// Layer is a layer as it is stored.
type Layer struct {
	Digest    digest.Digest `json:"digest,omitempty"` // empty if it would take reading the layer
	DiffID    digest.Digest `json:"diffID,omitempty"` // of the uncompressed content; empty if unknown
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
}

// Attestation is what a builder says about how an image was made. It is not for a platform.
type Attestation struct {
	Digest digest.Digest `json:"digest"`
	For    digest.Digest `json:"for,omitempty"` // manifest it is about
}

// Config is what the configuration of an image says about running it.
type Config struct {
	Created      *time.Time        `json:"created,omitempty"`
	Author       string            `json:"author,omitempty"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	Env          []string          `json:"env,omitempty"`
	User         string            `json:"user,omitempty"`
	WorkingDir   string            `json:"workingDir,omitempty"`
	ExposedPorts []string          `json:"exposedPorts,omitempty"` // sorted
	Volumes      []string          `json:"volumes,omitempty"`      // sorted
	Labels       map[string]string `json:"labels,omitempty"`
	StopSignal   string            `json:"stopSignal,omitempty"`
}

// Report is what is known of all images of a source.
type Report struct {
	Source     string   `json:"source"`
	Images     []*Image `json:"images"`
	Layers     int      `json:"layers"`     // different ones in all images together
	LayerBytes int64    `json:"layerBytes"` // their size, each counted once
	Quota      *Quota   `json:"pullQuota,omitempty"`
}

// Quota is what a registry says of the pulls that it grants.
type Quota struct {
	Limit         int    `json:"limit"`
	Remaining     int    `json:"remaining"`
	WindowSeconds int    `json:"windowSeconds,omitempty"`
	Source        string `json:"source,omitempty"` // whom the registry counts the pulls for
}

// NewReport sums up images.
func NewReport(source string, images []*Image) *Report {
	r := &Report{Source: source, Images: append([]*Image{}, images...)}
	r.Layers, r.LayerBytes = Total(images)
	return r
}

// ReadQuota asks a registry what is left of the pulls that it grants for an image, by its tag or digest. It
// is nil if the registry does not say.
func ReadQuota(ctx context.Context, repo *registry.Repository, target string) *Quota {
	q := repo.Quota(ctx, target)
	if q == nil {
		return nil
	}
	return &Quota{q.Limit, q.Remaining, int(q.Window / time.Second), q.Source}
}
