// Package inspect tells what an image is without reading its layers. [Read] describes an image in a registry
// or a layout, [Saved] one in a docker tar. Both return an [Image], which encodes as JSON; [Total] sums up
// several.
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
	SavedTar Kind = "saved"    // an image in a docker tar, which has no manifest of its own
)

// Image is what an image consists of.
type Image struct {
	Names        []string      `json:"names,omitzero"`
	Ref          string        `json:"ref,omitempty"` // what a layout calls it that has no name: mostly a tag
	Kind         Kind          `json:"kind,omitempty"`
	MediaType    string        `json:"mediaType,omitempty"` // of what the name stands for, like Digest and Size
	Digest       digest.Digest `json:"digest,omitempty"`    // empty in a docker tar
	Size         int64         `json:"sizeBytes,omitempty"`
	Platforms    []Platform    `json:"platforms,omitempty"`
	Attestations []Attestation `json:"attestations,omitempty"`
	Referrers    []Referrer    `json:"referrers,omitempty"`  // empty unless somebody asked for them
	Layers       int           `json:"layerCount,omitempty"` // different ones in all Platforms together
	LayerBytes   int64         `json:"layerBytes,omitempty"` // their size, each counted once
}

// Platform is an image for one platform, or an artifact.
type Platform struct {
	Platform     string        `json:"platform,omitempty"`  // os/arch[/variant]; empty if nothing says it
	OSVersion    string        `json:"osVersion,omitempty"` // of images for Windows
	OSFeatures   []string      `json:"osFeatures,omitempty"`
	Digest       digest.Digest `json:"digest,omitempty"`    // of the manifest; empty in a docker tar
	MediaType    string        `json:"mediaType,omitempty"` // of the manifest
	Size         int64         `json:"sizeBytes,omitempty"` // of the manifest
	ArtifactType string        `json:"artifactType,omitempty"`

	// Sealed says why layers cannot be unpacked, such as that they are encrypted. It is empty for all others.
	Sealed string `json:"sealed,omitempty"`

	// Missing says that an index refers to this manifest, and it is not there. Nothing more is known then.
	Missing bool `json:"missing,omitempty"`

	ID          digest.Digest     `json:"imageID,omitempty"` // digest of the configuration
	DockerID    *DockerID         `json:"dockerImages,omitempty"`
	Config      *Config           `json:"config,omitempty"`     // nil for an artifact, or if nobody asked for it
	Layers      []Layer           `json:"layers,omitempty"`     // base first
	LayerBytes  int64             `json:"layerBytes,omitempty"` // as they are stored, each counted once
	Annotations map[string]string `json:"annotations,omitempty"`
}

// DockerID is the ID of an image that "docker images" shows after a pull or, for a docker tar, a load.
type DockerID struct {
	GraphDriver digest.Digest `json:"graphDriver"`          // store of Docker before 29, and of podman
	Containerd  digest.Digest `json:"containerd,omitempty"` // containerd's image store; empty if loading decides
}

// Layer is a layer as it is stored.
type Layer struct {
	Digest    digest.Digest `json:"digest,omitempty"` // empty if it would take reading the layer
	DiffID    digest.Digest `json:"diffID,omitempty"` // of the uncompressed content; empty if unknown
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"sizeBytes"`

	// Absent says that the layer is not inside: it was left out of a thin archive, because the destination has
	// it, or the volume that has it is not here.
	Absent bool `json:"absent,omitempty"`

	// Patch says how an absent layer is made again of others; nil if the archive has no patch of it.
	Patch *Patch `json:"patch,omitempty"`
}

// Patch is what an archive has in place of a layer.
type Patch struct {
	Size    int64           `json:"sizeBytes"` // of the patch, and of the recipe that compresses what it makes
	Model   string          `json:"model,omitempty"`
	Content bool            `json:"contentOnly,omitempty"` // the digest of the layer is lost
	Bases   []digest.Digest `json:"bases"`                 // the layers that it needs
}

// Attestation is what a builder says about how it made an image. It is not for a platform.
type Attestation struct {
	Digest digest.Digest `json:"digest"`
	For    digest.Digest `json:"subject,omitempty"` // the manifest that it is about
}

// Referrer belongs to an image without being part of it: a signature, an attestation, an SBOM.
type Referrer struct {
	Digest       digest.Digest `json:"digest"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Tag          string        `json:"tag,omitempty"` // where cosign keeps it; empty if it names its subject
	Subject      digest.Digest `json:"subject"`       // what it belongs to: the index or a manifest
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

// Quota says how many pulls a registry grants.
type Quota struct {
	Limit         int    `json:"limit"`
	Remaining     int    `json:"remaining"`
	WindowSeconds int    `json:"windowSeconds,omitempty"`
	Source        string `json:"source,omitempty"` // whom the registry counts the pulls for
}

// ReadQuota asks a registry how many pulls of an image it still grants. target is a tag or digest. ReadQuota
// returns nil if the registry does not say.
func ReadQuota(ctx context.Context, repo *registry.Repository, target string) *Quota {
	q := repo.Quota(ctx, target)
	if q == nil {
		return nil
	}
	return &Quota{q.Limit, q.Remaining, int(q.Window / time.Second), q.Source}
}
