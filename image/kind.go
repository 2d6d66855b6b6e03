package image

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
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

	Config  Config          // as far as it could be read
	DiffIDs []digest.Digest // one for each layer, or nil where no configuration tells them
}

// LayerType is what the media type of a layer says about its content. Readers look at the bytes all the same.
type LayerType struct {
	Tar         bool   // it is a layer of a container image
	Compression string // gzip, zstd, bzip2, xz or whatever else the type names; empty if it names none
	Encrypted   bool   // https://github.com/containers/ocicrypt/blob/v1.2.1/spec.go
	Foreign     bool   // its descriptor says where it can be had
	Other       bool   // it is something else: the image of a file system, a signature
}

// vague matches media types that fit a layer but are not those of layers. Some builders use them.
var vague = regexp.MustCompile(
	`^(application/(octet-stream|(x-)?(g?tar|gzip|zstd)(\+(gzip|zstd))?))?$|\.t(ar)?gz$|\+(x-)?gtar$`)

// compressions are the words in media types for what layers are compressed with, if that is known here.
var compressions = map[string]string{
	"gzip": "gzip", "gz": "gzip", "zstd": "zstd", "zst": "zstd", "bzip2": "bzip2", "bz2": "bzip2", "xz": "xz",
}

// ParseLayerType reads the media type of a layer, Docker's or OCI's
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md). Case does not count
// (https://www.rfc-editor.org/rfc/rfc6838#section-4.2).
func ParseLayerType(mediaType string) LayerType {
	t := LayerType{Foreign: IsForeign(mediaType)}
	name := essence(mediaType)
	_, suffix, tar := strings.Cut(name, ".tar")
	if t.Tar = tar && (suffix == "" || suffix[0] == '.' || suffix[0] == '+'); !t.Tar {
		t.Other = !vague.MatchString(name)
		return t
	}
	for _, s := range strings.FieldsFunc(suffix, func(r rune) bool { return r == '.' || r == '+' }) {
		if s == "encrypted" {
			t.Encrypted = true
		} else if t.Compression == "" || compressions[t.Compression] != "" { // an unknown one stays
			t.Compression = cmp.Or(compressions[s], s)
		}
	}
	return t
}

// essence is a media type without its parameters, in lower case.
func essence(mediaType string) string {
	name, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	return strings.TrimSpace(name)
}

// Sealed says why a layer of the type cannot be unpacked, in words that follow its digest, or nothing.
func (t LayerType) Sealed() string {
	switch {
	case t.Encrypted:
		return " is encrypted"
	case t.Compression != "" && compressions[t.Compression] == "":
		return fmt.Sprintf(": compression %q is not known here", t.Compression)
	}
	return ""
}

// MayBeImage reports whether the document may describe a container image, as far as a manifest tells without
// its configuration. Signatures and attestations have an image's configuration too, but no layer of an image.
// Old images name their configuration application/octet-stream or the like: all their layers tell what they
// are.
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
	if d.hasImageConfig() {
		return tars > 0 || others == 0
	}
	switch essence(d.Config.MediaType) {
	case "application/octet-stream", "application/json", "text/plain", "":
		return d.ArtifactType == "" && tars > 0 && tars == len(d.Layers)
	}
	return false
}

// hasImageConfig reports whether the configuration has the type of an image's.
func (d *Document) hasImageConfig() bool { return IsConfig(d.Config.MediaType) }

// IsConfig reports whether a media type is that of the configuration of a container image.
func IsConfig(mediaType string) bool {
	t := essence(mediaType)
	return t == DockerConfig || t == v1.MediaTypeImageConfig
}

// Judge says what the document describes. config is the content of its configuration, or nil where nobody
// has read that: the judgement then rests on the media types. Judge never fails, because moving an image
// needs nothing of its configuration.
func (d *Document) Judge(config []byte) Judgement {
	if !d.MayBeImage() {
		return Judgement{}
	}
	var j Judgement
	if config != nil {
		if j = d.judgeConfig(config); j.Kind == Artifact {
			return j
		}
	}
	for _, l := range d.Layers {
		if why := ParseLayerType(l.MediaType).Sealed(); why != "" {
			j.Kind, j.Why = Sealed, "layer "+l.Digest.String()+why
			return j
		}
	}
	if j.Why == "" {
		j.Kind = Container
	}
	return j
}

// judgeConfig decides by a configuration. An image's says more than a platform
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties). Artifacts may have
// anything: oras gives them a platform. What is no JSON may be an image's that was damaged before it got its
// digest. Where the media types do not promise an image, the configuration has to have a diff ID for each
// layer.
func (d *Document) judgeConfig(raw []byte) (j Judgement) {
	promised := d.ArtifactType == "" && d.hasImageConfig()
	var err error
	if j.Config, err = ParseConfig(raw); err != nil {
		if promised && len(bytes.TrimSpace(raw)) > 0 && !json.Valid(raw) {
			j.Kind, j.Why = Sealed, err.Error()
		}
		return j
	}
	if p := j.Config.Platform; !j.Config.ofImage && (len(d.Layers) > 0 || p.OS+p.Architecture == "") {
		return j
	}
	j.DiffIDs, err = j.Config.DiffIDs(len(d.Layers))
	switch {
	case err == nil && j.Config.Odd == "":
		j.Kind = Container
	case !promised:
	case err != nil:
		j.Kind, j.Why = Sealed, "its configuration cannot be used: "+err.Error()
	default:
		j.Kind, j.Why = Sealed, "its configuration cannot be used: "+j.Config.Odd
	}
	return j
}
