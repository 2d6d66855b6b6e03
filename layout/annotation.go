package layout

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/delta"
	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// annotation returns an annotation of index.json itself, not of an entry, or nothing.
func (l *Layout) annotation(key string) (string, error) {
	raw, err := l.RawIndex()
	if err != nil {
		return "", err
	}
	raw = plaintext.UTF8(raw)
	var index struct {
		Annotations lenient.Value[map[string]string] `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return "", fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	value := index.Annotations.V[key]
	if value == "" {
		return "", nil
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return "", fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return value, nil
}

// DeltaDocument is the digest of the document that lists what an unpacked thin archive lacks, or nothing. It
// may be no valid digest, and the document may be absent.
func (l *Layout) DeltaDocument() (digest.Digest, error) {
	d, err := l.annotation(delta.Annotation)
	return digest.Digest(d), err
}

// DeltaBlobs are the digests of the document, and of the patches and recipes that it lists: blobs that belong
// to the layout although no manifest leads to them. Of a document that is not understood everything counts
// that it mentions.
func (l *Layout) DeltaBlobs(ctx context.Context) (map[digest.Digest]bool, error) {
	document, raw, err := l.readDelta(ctx)
	if err != nil || document == "" {
		return nil, err
	}
	all := map[digest.Digest]bool{document: true}
	doc, malformed := delta.Parse(raw)
	if malformed != nil {
		for _, m := range anyDigest.FindAll(raw, limits.Values) {
			all[digest.Digest(m)] = true
		}
		return all, nil
	}
	for i := range doc.Rebuilt {
		for _, part := range doc.Rebuilt[i].How().Parts() {
			all[part.Digest] = true
		}
	}
	return all, nil
}

// readDelta reads the delta document. If it is not here as it should be, there is only its digest.
func (l *Layout) readDelta(ctx context.Context) (document digest.Digest, raw []byte, err error) {
	if document, err = l.DeltaDocument(); err != nil || document == "" {
		return "", nil, err
	}
	desc, err := l.Stat(document)
	if err != nil || desc.Size > limits.Delta {
		return document, nil, nil
	}
	raw, err = image.ReadAll(ctx, l, desc, limits.Delta)
	if ctx.Err() != nil {
		return "", nil, context.Cause(ctx)
	}
	if err != nil {
		raw = nil
	}
	return document, raw, nil
}

// Patched lists the layers that the layout has as patches of others, by its delta document. A document that
// cannot be read lists none.
func (l *Layout) Patched(ctx context.Context) (all []image.Absent, err error) {
	_, raw, err := l.readDelta(ctx)
	if err != nil || raw == nil {
		return nil, err
	}
	doc, malformed := delta.Parse(raw)
	if malformed != nil {
		return nil, nil
	}
	for i := range doc.Rebuilt {
		r := &doc.Rebuilt[i]
		all = append(all, image.Absent{Part: image.PartLayer, Reason: image.LeftOut, DiffID: r.DiffID,
			Descriptor: v1.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size}, Rebuilt: r.How()})
	}
	return all, nil
}
