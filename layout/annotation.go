package layout

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/internal/delta"
	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
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
