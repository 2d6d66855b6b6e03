package image

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// Docker's media types (https://distribution.github.io/distribution/spec/manifest-v2-2/); the OCI
// ones are constants of the image-spec module.
const (
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"
	DockerLayer        = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	DockerPlainLayer   = "application/vnd.docker.image.rootfs.diff.tar"
	DockerForeign      = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	Schema1            = "application/vnd.docker.distribution.manifest.v1+json"
	Schema1Signed      = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// Media types of artifact manifests. No specification has them any more, but notation and oras made many
// (https://github.com/opencontainers/image-spec/blob/v1.1.0-rc2/artifact.md).
const (
	OCIArtifact  = "application/vnd.oci.artifact.manifest.v1+json"
	ORASArtifact = "application/vnd.cncf.oras.artifact.manifest.v1+json"
)

// MaxManifestSize bounds a manifest or index, in bytes. Registries accept no larger ones
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests).
const MaxManifestSize = limits.Manifest

// ErrUnsupported is wrapped by errors about documents that are well formed, but of a kind that cannot be
// carried.
var ErrUnsupported = errors.New("unsupported")

// IsIndex reports whether a media type is that of an index or manifest list.
func IsIndex(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == DockerManifestList
}

// IsImageManifest reports whether a media type is that of a manifest of one image or artifact.
func IsImageManifest(mediaType string) bool {
	return mediaType == v1.MediaTypeImageManifest || mediaType == DockerManifest
}

// IsArtifactManifest reports whether a media type is that of a manifest that has blobs in place of a
// configuration and layers.
func IsArtifactManifest(mediaType string) bool {
	return mediaType == OCIArtifact || mediaType == ORASArtifact
}

// IsManifest reports whether content of this type is fetched as a manifest and not as a blob.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || IsImageManifest(mediaType) || IsArtifactManifest(mediaType) ||
		mediaType == Schema1 || mediaType == Schema1Signed
}

// IsForeign reports whether a media type is that of a foreign layer, which need not be in the registry: its
// descriptor carries URLs
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers).
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, DockerForeign) ||
		strings.Contains(mediaType, "image.layer.nondistributable.")
}

// Document is a parsed manifest or index. A manifest has Config and Layers, an index has Manifests, and an
// artifact manifest has Blobs.
type Document struct {
	MediaType    string
	ArtifactType string
	Config       *v1.Descriptor
	Layers       []v1.Descriptor
	Manifests    []v1.Descriptor
	Blobs        []v1.Descriptor
	Subject      *v1.Descriptor
	Annotations  map[string]string

	FSLayers bool // only schema 1 has it
}

// wire is a document as it is written. What moving does not need may be of any type.
type wire struct {
	MediaType    string                           `json:"mediaType"`
	ArtifactType lenient.Text                     `json:"artifactType"`
	Config       *lenient.Descriptor              `json:"config"`
	Layers       []lenient.Descriptor             `json:"layers"`
	Manifests    list                             `json:"manifests"`
	Blobs        []lenient.Descriptor             `json:"blobs"`
	Subject      lenient.Value[*v1.Descriptor]    `json:"subject"`
	Annotations  lenient.Value[map[string]string] `json:"annotations"`
	FSLayers     json.RawMessage                  `json:"fsLayers"`
}

// list is a list of descriptors that may be null, and leaves out what is null in it.
type list struct {
	all  []lenient.Descriptor
	null bool
}

func (l *list) UnmarshalJSON(raw []byte) error {
	l.null = string(raw) == "null"
	var all []*lenient.Descriptor
	err := json.Unmarshal(raw, &all)
	if all != nil {
		l.all = make([]lenient.Descriptor, 0, len(all))
	}
	for _, d := range all {
		if d != nil {
			l.all = append(l.all, *d)
		}
	}
	return err
}

func (w *wire) document() Document {
	d := Document{
		MediaType: lenient.Shared(w.MediaType), ArtifactType: string(w.ArtifactType),
		Config: (*v1.Descriptor)(w.Config),
		Layers: lenient.Descriptors(w.Layers), Manifests: lenient.Descriptors(w.Manifests.all),
		Subject: w.Subject.V, Annotations: w.Annotations.V,
		FSLayers: w.FSLayers != nil && string(w.FSLayers) != "null",
	}
	if IsArtifactManifest(d.MediaType) {
		d.Blobs = lenient.Descriptors(w.Blobs)
	}
	if w.Manifests.null && d.Config == nil && d.Layers == nil && !d.FSLayers {
		d.Manifests = []v1.Descriptor{}
	}
	return d
}

// ParseManifest reads a document that was announced under mediaType, which may be empty. It refuses a
// document that could be read as two kinds or that contradicts its announcement (CVE-2021-41190). It also
// refuses one in which a key that says what it consists of stands twice. What moving does not need, such as
// annotations, is left out where it has the wrong type. Digests and sizes of [Document.Children] have been
// validated, but Subject is as it came.
func ParseManifest(mediaType string, raw []byte) (Document, error) {
	if len(raw) > MaxManifestSize {
		return Document{}, fmt.Errorf("manifest of %d bytes: more than the %d that are accepted",
			len(raw), MaxManifestSize)
	}
	if err := jsonkeys.Bounded(raw); err != nil {
		return Document{}, fmt.Errorf("manifest is too large: %v", err)
	}
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return Document{}, jsonFault("manifest", err)
	}
	d := w.document()
	if err := jsonkeys.UniqueRead(raw); err != nil {
		return d, fmt.Errorf("manifest is ambiguous: %v", err)
	}
	kind, err := d.kind()
	if err != nil {
		return d, err
	}
	switch {
	case d.MediaType == "" && mediaType == "":
		d.MediaType = kind
	case d.MediaType == "":
		d.MediaType = mediaType
	case mediaType != "" && mediaType != d.MediaType && IsManifest(mediaType):
		return d, fmt.Errorf("manifest says it is %q but was announced as %q", d.MediaType, mediaType)
	}
	if IsIndex(d.MediaType) != (kind == v1.MediaTypeImageIndex) || !IsManifest(d.MediaType) {
		return d, fmt.Errorf("manifest of type %q has the content of %q", d.MediaType, kind)
	}
	return d, d.validate()
}

// jsonFault says what is wrong with a document, without the names of Go's types.
func jsonFault(what string, err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return fmt.Errorf("%s is not valid JSON: %v", what, err)
	case wrong.Field == "":
		return fmt.Errorf("%s is a JSON %s and not an object", what, wrong.Value)
	}
	return fmt.Errorf("%s has a JSON %s as %q, which has to be of another type", what, wrong.Value, wrong.Field)
}

// kind tells from the fields alone what the document is.
func (d *Document) kind() (string, error) {
	image, index := d.Config != nil || d.Layers != nil, d.Manifests != nil
	switch {
	case d.FSLayers && (image || index), image && index, IsArtifactManifest(d.MediaType) && (image || index):
		return "", errors.New("manifest is ambiguous: it has the fields of two kinds")
	case d.FSLayers:
		return "", fmt.Errorf("docker schema 1 image: %w here: fetch and save convert one that is named "+
			"in a registry", ErrUnsupported)
	case IsArtifactManifest(d.MediaType):
		return d.MediaType, nil
	case index:
		return v1.MediaTypeImageIndex, nil
	case d.Config != nil:
		return v1.MediaTypeImageManifest, nil
	}
	return "", errors.New("not an image manifest: it has neither config nor manifests")
}

func (d *Document) validate() error {
	for _, c := range d.Children() {
		if err := verify.Descriptor(c); err != nil {
			return fmt.Errorf("manifest refers to %w", err)
		}
	}
	return nil
}

// Artifact is the type under which a list of referrers has the manifest
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers).
func (d *Document) Artifact() string {
	if d.ArtifactType == "" && d.Config != nil {
		return d.Config.MediaType
	}
	return d.ArtifactType
}

// About says in a word what an artifact is: its own type, else that of its configuration, unless that is an
// image's or says nothing, else that of its first layer
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage).
func (d *Document) About() string {
	switch {
	case d.ArtifactType != "":
		return d.ArtifactType
	case d.Config == nil:
		return d.MediaType
	case len(d.Layers) > 0 && slices.Contains(untelling, d.Config.MediaType):
		return cmp.Or(d.Layers[0].MediaType, d.Config.MediaType)
	}
	return d.Config.MediaType
}

// untelling are types of configurations that do not tell what an artifact is.
var untelling = []string{"", DockerConfig, v1.MediaTypeImageConfig, v1.MediaTypeEmptyJSON,
	"application/octet-stream"}

// Children are the descriptors of all that the document consists of, in its order, config first.
func (d *Document) Children() []v1.Descriptor {
	if IsIndex(d.MediaType) || d.Manifests != nil {
		return d.Manifests
	}
	if IsArtifactManifest(d.MediaType) {
		return d.Blobs
	}
	return append([]v1.Descriptor{*d.Config}, d.Layers...)
}

// Describe returns the descriptor of raw.
func Describe(mediaType string, raw []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}
