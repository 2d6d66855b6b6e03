package image

import (
	"encoding/json"
	"regexp"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Kind says what a manifest describes.
type Kind int

// The kinds of what a manifest describes.
const (
	Artifact  Kind = iota // no container image: a signature, an SBOM, a Helm chart
	Container             // a container image
	Sealed                // a container image with layers that cannot be unpacked here
)

// Judgement says what a manifest describes and, where that is not plain, why.
type Judgement struct {
	Kind Kind
	Why  string // of a sealed image: "layer sha256:... is encrypted"
}

// LayerType is what the media type of a layer says about its content. Readers look at the bytes all the same.
type LayerType struct {
	Tar         bool   // it is a layer of a container image
	Compression string // gzip, zstd or whatever else the type names; empty if it names none
	Encrypted   bool   // https://github.com/containers/ocicrypt/blob/v1.2.1/spec.go
	Foreign     bool   // its descriptor says where it can be had
	Other       bool   // it is something else: the image of a file system, a signature
}

// vague matches media types that fit a layer but are not those of layers. Some builders use them.
var vague = regexp.MustCompile(
	`^(application/(octet-stream|(x-)?(g?tar|gzip|zstd)(\+(gzip|zstd))?))?$|\.t(ar)?gz$`)

// ParseLayerType reads the media type of a layer, Docker's or OCI's
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md).
func ParseLayerType(mediaType string) LayerType {
	t := LayerType{Foreign: IsForeign(mediaType)}
	_, suffix, tar := strings.Cut(mediaType, ".tar")
	if t.Tar = tar && (suffix == "" || suffix[0] == '.' || suffix[0] == '+'); !t.Tar {
		t.Other = !vague.MatchString(mediaType)
		return t
	}
	for _, s := range strings.FieldsFunc(suffix, func(r rune) bool { return r == '.' || r == '+' }) {
		if s == "encrypted" {
			t.Encrypted = true
		} else {
			t.Compression = s
		}
	}
	return t
}

// MayBeImage reports whether the document may describe a container image, as far as a manifest tells without
// its configuration. Signatures and attestations have an image's configuration too, but no layer of an image.
// Old images name their configuration application/octet-stream: all their layers tell what they are.
func (d *Document) MayBeImage() bool {
	if d.Config == nil {
		return false
	}
	tars, others := 0, 0
	for _, l := range d.Layers {
		if t := ParseLayerType(l.MediaType); t.Tar {
			tars++
		} else if t.Other {
			others++
		}
	}
	switch d.Config.MediaType {
	case DockerConfig, v1.MediaTypeImageConfig:
		return tars > 0 || others == 0
	case "application/octet-stream", "":
		return d.ArtifactType == "" && tars > 0 && tars == len(d.Layers)
	}
	return false
}

// Judge says what the document describes. config is the content of its configuration, or nil where nobody
// has read that: the judgement then rests on the media types.
func (d *Document) Judge(config []byte) Judgement {
	if !d.MayBeImage() || config != nil && !d.isImageConfig(config) {
		return Judgement{Kind: Artifact}
	}
	for _, l := range d.Layers {
		if ParseLayerType(l.MediaType).Encrypted {
			return Judgement{Kind: Sealed, Why: "layer " + l.Digest.String() + " is encrypted"}
		}
	}
	return Judgement{Kind: Container}
}

// isImageConfig reports whether a configuration has at least one field that an image's must have
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties). What is no JSON object may
// be an image's that was damaged before it got its digest. Where the media type does not promise an image's
// configuration, it has to have a diff ID for each layer.
func (d *Document) isImageConfig(config []byte) bool {
	if t := d.Config.MediaType; t != DockerConfig && t != v1.MediaTypeImageConfig {
		c, err := ParseConfig(config)
		if err == nil {
			_, err = c.DiffIDs(len(d.Layers))
		}
		return err == nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(config, &fields) != nil || fields == nil {
		return true
	}
	return fields["rootfs"] != nil || fields["os"] != nil || fields["architecture"] != nil
}
