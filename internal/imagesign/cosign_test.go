package imagesign_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagesign"
	"drayage/internal/imagetest"
)

// made is what cosign has made of an image: see testdata/README.md.
type made struct {
	Cosign, Command, Key string
	Image                digest.Digest
	State                imagesign.State
	Manifests, Blobs     []string
}

func readMade(t *testing.T) []made {
	t.Helper()
	raw, err := os.ReadFile("testdata/cosign.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []made
	if err := json.Unmarshal(raw, &all); err != nil || len(all) < 10 {
		t.Fatal(len(all), err)
	}
	return all
}

// alteration changes a layer, and returns its content.
type alteration func(l *v1.Descriptor, content []byte) []byte

// place holds what cosign has made. change changes the parsed manifests and their layers before they are
// stored.
func (m made) place(t *testing.T, change alteration) (*place, v1.Descriptor) {
	t.Helper()
	p := newPlace(t)
	root := v1.Descriptor{MediaType: image.DockerManifest, Digest: m.Image}
	blobs := map[digest.Digest]string{}
	for _, b := range m.Blobs {
		blobs[digest.FromString(b)] = b
	}
	for _, raw := range m.Manifests {
		var manifest v1.Manifest
		if err := json.Unmarshal([]byte(raw), &manifest); err != nil {
			t.Fatal(err)
		}
		for i := range manifest.Layers {
			l := &manifest.Layers[i]
			content := []byte(blobs[l.Digest])
			if change != nil {
				content = change(l, content)
			}
			d := p.Put(l.MediaType, content)
			l.Digest, l.Size = d.Digest, d.Size
		}
		if change == nil {
			p.add(root, p.Put(v1.MediaTypeImageManifest, []byte(raw)))
		} else {
			p.add(root, p.Put(v1.MediaTypeImageManifest, imagetest.Encode(manifest)))
		}
	}
	return p, root
}

func (m made) key(t *testing.T) *imagesign.Key {
	t.Helper()
	k, err := imagesign.ParseKey("cosign.pub", strings.NewReader(m.Key))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRealCosign(t *testing.T) {
	for _, m := range readMade(t) {
		p, root := m.place(t, nil)
		if v := p.check(root, m.key(t)); v.State != m.State {
			t.Errorf("cosign %s: %s: %s: %s", m.Cosign, m.Command, v.State, v.Reason)
		}
		if v := p.check(root); v.State != imagesign.OtherKey {
			t.Errorf("cosign %s: %s: by another key: %s: %s", m.Cosign, m.Command, v.State, v.Reason)
		}
	}
}

// TestEveryByte changes each byte of what real signatures cover, and of the signatures.
func TestEveryByte(t *testing.T) {
	for _, m := range readMade(t) {
		if m.State != imagesign.Signed || m.Command != "cosign sign --key" || len(m.Key) > 200 {
			continue // large keys take long
		}
		key, tried := m.key(t), 0
		flip := func(what string, change alteration) {
			tried++
			p, root := m.place(t, change)
			if v := p.check(root, key); v.State == imagesign.Signed {
				t.Errorf("cosign %s: %s: signed", m.Cosign, what)
			}
		}
		for at := range covered(t, m) {
			flip("the payload", func(l *v1.Descriptor, content []byte) []byte {
				return alter(t, l, content, at, -1)
			})
		}
		for at := range 64 {
			flip("the signature", func(l *v1.Descriptor, content []byte) []byte {
				return alter(t, l, content, -1, at)
			})
		}
		if tried < 200 {
			t.Errorf("cosign %s: %d bytes", m.Cosign, tried)
		}
	}
}

// covered is how many bytes the first signature covers.
func covered(t *testing.T, m made) int {
	t.Helper()
	if !strings.Contains(m.Blobs[0], "dsseEnvelope") {
		return len(m.Blobs[0])
	}
	return len(envelope(t, []byte(m.Blobs[0])).Payload)
}

type dsse struct {
	Payload     []byte          `json:"payload"`
	PayloadType string          `json:"payloadType"`
	Signatures  []dsseSignature `json:"signatures"`
}

type dsseSignature struct {
	Sig []byte `json:"sig"`
}

func envelope(t *testing.T, bundle []byte) dsse {
	t.Helper()
	var b struct{ DsseEnvelope dsse }
	if err := json.Unmarshal(bundle, &b); err != nil {
		t.Fatal(err)
	}
	return b.DsseEnvelope
}

// alter flips a bit of a byte of the payload, or of the signature, if that is not negative.
func alter(t *testing.T, l *v1.Descriptor, content []byte, payload, signature int) []byte {
	t.Helper()
	if l.MediaType == imagetest.SimpleSigning {
		raw, err := base64.StdEncoding.DecodeString(l.Annotations[imagetest.CosignSignature])
		if err != nil {
			t.Fatal(err)
		}
		touch(content, payload)
		touch(raw, signature)
		l.Annotations[imagetest.CosignSignature] = base64.StdEncoding.EncodeToString(raw)
		return content
	}
	var b map[string]any
	if err := json.Unmarshal(content, &b); err != nil {
		t.Fatal(err)
	}
	e := envelope(t, content)
	touch(e.Payload, payload)
	touch(e.Signatures[0].Sig, signature)
	b["dsseEnvelope"] = e
	return imagetest.Encode(b)
}

func touch(p []byte, at int) {
	if at >= 0 {
		p[at] ^= 1
	}
}
