package upload

import (
	"encoding/json"
	"fmt"

	"drayage/image"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// toOCI tells how Docker's media types are called by OCI. The content is the same.
var toOCI = map[string]string{
	image.DockerManifest:          v1.MediaTypeImageManifest,
	image.DockerManifestList:      v1.MediaTypeImageIndex,
	image.DockerConfig:            v1.MediaTypeImageConfig,
	image.DockerLayer:             v1.MediaTypeImageLayerGzip,
	image.DockerPlainLayer:        v1.MediaTypeImageLayer,
	image.DockerForeign:           "application/vnd.oci.image.layer.nondistributable.v1.tar",
	image.DockerForeign + ".gzip": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
}

// fromOCI is the other way round.
var fromOCI = func() map[string]string {
	m := map[string]string{}
	for docker, oci := range toOCI {
		m[oci] = docker
	}
	return m
}()

// otherFamily is the media type of a manifest or index in the other family, Docker's or OCI's. It is empty
// for what has none.
func otherFamily(mediaType string) string {
	if t := toOCI[mediaType]; t != "" {
		return t
	}
	return fromOCI[mediaType]
}

// convert rewrites a manifest or index in the family of mediaType, one of that family's manifest types, for
// registries that take only one of them. What is of that family already stays. Descriptors whose digest is
// a key of replaced are replaced: the children of an index change with their own conversion. What the
// family has no type for is an error.
func convert(raw []byte, mediaType string, replaced map[string]v1.Descriptor) ([]byte, string, error) {
	doc, err := image.ParseManifest("", raw)
	if err != nil {
		return nil, "", err
	}
	c := converter{types: fromOCI, own: toOCI, replaced: replaced}
	if _, docker := toOCI[mediaType]; !docker {
		c.types, c.own = toOCI, fromOCI
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, "", err
	}
	for _, name := range []string{"config", "layers", "manifests"} {
		if fields[name] == nil {
			continue
		}
		if fields[name], err = c.field(fields[name]); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
	}
	converted, err := c.mediaType(doc.MediaType)
	if err != nil {
		return nil, "", err
	}
	fields["mediaType"], _ = json.Marshal(converted)
	raw, err = json.Marshal(fields)
	return raw, converted, err
}

type converter struct {
	types    map[string]string // from the other family's to this one's
	own      map[string]string // has the types of this family as keys
	replaced map[string]v1.Descriptor
}

func (c converter) mediaType(t string) (string, error) {
	if _, ok := c.own[t]; ok {
		return t, nil
	}
	other, ok := c.types[t]
	if !ok {
		return "", fmt.Errorf("media type %q has no counterpart: %w", t, image.ErrUnsupported)
	}
	return other, nil
}

// field converts a descriptor or a list of them, and leaves all their other fields alone.
func (c converter) field(raw json.RawMessage) (json.RawMessage, error) {
	var many []map[string]json.RawMessage
	var one map[string]json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, err
		}
		many = append(many, one)
	}
	for _, d := range many {
		if err := c.descriptor(d); err != nil {
			return nil, err
		}
	}
	if one != nil {
		return json.Marshal(one)
	}
	return json.Marshal(many)
}

func (c converter) descriptor(d map[string]json.RawMessage) error {
	var digest, mediaType string
	_ = json.Unmarshal(d["digest"], &digest)
	if err := json.Unmarshal(d["mediaType"], &mediaType); err != nil {
		return err
	}
	if r, ok := c.replaced[digest]; ok {
		d["digest"], _ = json.Marshal(r.Digest)
		d["size"], _ = json.Marshal(r.Size)
		d["mediaType"], _ = json.Marshal(r.MediaType)
		return nil
	}
	other, err := c.mediaType(mediaType)
	if err != nil {
		return err
	}
	d["mediaType"], _ = json.Marshal(other)
	return nil
}
