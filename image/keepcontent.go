package image

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// KeepContent deals with layers that were left out, if only what they unpack to can be made again: they
// become uncompressed layers. So manifests and indexes that lead to them become others, with other digests,
// and the graph is Rewritten. The configuration stays, and so do the image ID and the diff IDs.
func (im *Image) KeepContent(ctx context.Context) error {
	changed := map[digest.Digest]v1.Descriptor{}
	absent := slices.Clone(im.Absent)
	for i, a := range absent {
		if a.Reason != LeftOut || a.Rebuilt == nil || !a.Rebuilt.Content {
			continue
		}
		absent[i] = a.Plain()
		changed[a.Descriptor.Digest] = absent[i].Descriptor
	}
	if len(changed) == 0 {
		return nil
	}
	g, err := im.Graph.replaced(ctx, im.Source, changed)
	if err != nil {
		return err
	}
	im.Graph, im.Absent = g, absent
	im.Source = &MemorySource{Content: g.content, Next: im.Source}
	return nil
}

// Plain is the uncompressed layer that a layer becomes if only its content can be made again.
func (a Absent) Plain() Absent {
	how := *a.Rebuilt
	how.Content = false
	mediaType := uncompressed(a.Descriptor.MediaType)
	a.Descriptor = v1.Descriptor{MediaType: mediaType, Digest: a.DiffID, Size: how.Unpacked}
	a.Rebuilt = &how
	return a
}

// uncompressed is the media type of a layer that is not compressed any more.
func uncompressed(mediaType string) string {
	if strings.HasPrefix(mediaType, "application/vnd.docker.") {
		return strings.TrimSuffix(DockerLayer, ".gzip")
	}
	return v1.MediaTypeImageLayer
}

// replaced is the graph with other blobs in place of some.
func (g *Graph) replaced(
	ctx context.Context, src Source, changed map[digest.Digest]v1.Descriptor,
) (*Graph, error) {
	out := *g
	out.Manifests, out.Blobs, out.Rewritten = slices.Clone(g.Manifests), slices.Clone(g.Blobs), true
	if out.content = maps.Clone(g.content); out.content == nil {
		out.content = map[digest.Digest][]byte{}
	}
	for i, d := range out.Blobs {
		if to, ok := changed[d.Digest]; ok {
			out.Blobs[i] = to
		}
	}
	for i := range out.Manifests { // children come first
		n := &out.Manifests[i]
		old, err := ReadAll(ctx, src, n.Descriptor, MaxManifestSize)
		if err != nil {
			return nil, err
		}
		raw, err := replace(old, changed)
		if raw == nil || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		to := Describe(n.Descriptor.MediaType, raw)
		changed[n.Descriptor.Digest] = to
		to.Annotations, to.Platform = n.Descriptor.Annotations, n.Descriptor.Platform
		doc, err := ParseManifest(to.MediaType, raw)
		if err != nil {
			return nil, err
		}
		*n, out.content[to.Digest] = Node{Descriptor: to, Raw: raw, Document: doc}, raw
		out.Root = to
	}
	return &out, nil
}

// replace puts other descriptors into a manifest or an index. The result is nil if it has none of them.
func replace(raw []byte, changed map[digest.Digest]v1.Descriptor) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	found := false
	for _, key := range []string{"layers", "manifests"} {
		var list []map[string]json.RawMessage
		if all[key] == nil {
			continue
		}
		if err := json.Unmarshal(all[key], &list); err != nil {
			return nil, err
		}
		for _, entry := range list {
			var d digest.Digest
			_ = json.Unmarshal(entry["digest"], &d)
			to, ok := changed[d]
			if !ok {
				continue
			}
			found = true
			entry["digest"], _ = json.Marshal(to.Digest)
			entry["size"], _ = json.Marshal(to.Size)
			if key == "layers" {
				entry["mediaType"], _ = json.Marshal(to.MediaType)
			}
		}
		all[key], _ = json.Marshal(list)
	}
	if !found {
		return nil, nil
	}
	return json.Marshal(all)
}
