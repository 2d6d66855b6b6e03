package randomimage

import (
	"bytes"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

var vocabulary = []string{
	"app", "layer", "größe", "данные", "画像", "a b", "emoji 🚢", "quote\"", "back\\slash", "<&>", "new\nline", "",
	"UPPER", "x.y.z", "-", "%2e%2e", "é\u0301", "tab\t",
	"https://example.org/?a=b&c=d", "sha256:abc", "null", "'", "$HOME", "\u2028", "ﬁ",
}

func (g *generator) word() string { return vocabulary[g.rand.IntN(len(vocabulary))] }

func (g *generator) words() map[string]string {
	all := map[string]string{}
	for range g.rand.IntN(4) {
		all["org.example."+g.word()] = g.word()
	}
	return all
}

func (g *generator) oneIn(n int) bool { return g.rand.IntN(n) == 0 }

// encode writes JSON in one of the ways in which tools write it: who decodes it and encodes it again changes
// the digest.
func (g *generator) encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(g.oneIn(2))
	switch g.rand.IntN(3) {
	case 0:
		e.SetIndent("", "   ")
	case 1:
		e.SetIndent("", "\t")
	}
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	if g.oneIn(3) {
		return b.Bytes(), nil // with the newline
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// blob adds a blob and describes it, sometimes with its own content or with annotations.
func (g *generator) blob(mediaType string, raw []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	g.image.Blobs[d.Digest] = raw
	if len(raw) < 2000 && g.oneIn(3) {
		d.Data = raw
	}
	if g.oneIn(4) {
		d.Annotations = g.words()
	}
	return d
}

func (g *generator) manifest(m map[string]any) (v1.Descriptor, error) {
	raw, err := g.encode(m)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: m["mediaType"].(string), Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	if !g.known[d.Digest] {
		g.known[d.Digest] = true
		g.image.Manifests = append(g.image.Manifests, wire.Manifest{Descriptor: d, Raw: raw})
	}
	return d, nil
}
