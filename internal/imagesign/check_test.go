package imagesign_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagesign"
	"drayage/internal/imagetest"
	"drayage/internal/limits"
)

// place is where images are, with what belongs to them.
type place struct {
	*testing.T
	imagetest.Store
	belongs map[digest.Digest][]v1.Descriptor
	good    imagetest.CosignKey // whose signatures count
	bad     imagetest.CosignKey
	image   v1.Descriptor
	other   v1.Descriptor
}

func newPlace(t *testing.T) *place {
	p := &place{T: t, Store: imagetest.NewStore(), belongs: map[digest.Digest][]v1.Descriptor{},
		good: imagetest.NewCosignKey(), bad: imagetest.NewCosignKey()}
	p.image, p.other = p.manifest("image"), p.manifest("other")
	return p
}

func (p *place) manifest(text string) v1.Descriptor {
	return imagetest.Image{Labels: map[string]string{"is": text}}.Put(p.Put)
}

func (p *place) index(children ...v1.Descriptor) v1.Descriptor {
	mediaType, raw := imagetest.Index(false, children...)
	return p.Put(mediaType, raw)
}

// add makes manifests belong to an image.
func (p *place) add(to v1.Descriptor, manifests ...v1.Descriptor) {
	p.belongs[to.Digest] = append(p.belongs[to.Digest], manifests...)
}

// layers stores a manifest with layers that belongs to the image.
func (p *place) layers(all ...v1.Descriptor) {
	m := imagetest.Manifest(p.Put(v1.MediaTypeImageConfig, []byte("{}")), all...)
	p.add(p.image, p.PutJSON(m.MediaType, m))
}

// simple adds a signature of the good key over any payload.
func (p *place) simple(payload string) {
	p.layers(p.good.SimpleLayer(p.Put, []byte(payload)))
}

// bundle adds a bundle.
func (p *place) bundle(raw []byte) {
	p.add(p.image, p.PutJSON(v1.MediaTypeImageManifest, imagetest.BundleManifest(p.Put, raw, p.image)))
}

func (p *place) key(name string, k imagetest.CosignKey) *imagesign.Key {
	p.Helper()
	key, err := imagesign.ParseKey(name, bytes.NewReader(k.PEM()))
	if err != nil {
		p.Fatal(err)
	}
	return key
}

func (p *place) check(root v1.Descriptor, keys ...*imagesign.Key) *imagesign.Verdict {
	p.Helper()
	if len(keys) == 0 {
		keys = []*imagesign.Key{p.key("good.pub", p.good)}
	}
	find := func(d digest.Digest) []v1.Descriptor { return p.belongs[d] }
	v, err := imagesign.New(p.Store, find, keys).Check(context.Background(), p.Store, root)
	if err != nil {
		p.Fatal(err)
	}
	return v
}

// statement is what the bundle of a signature of the image says.
func (p *place) statement() []byte {
	return imagetest.StatementOf(p.image.Digest, imagetest.SignPredicate)
}

// altered replaces text in the bundle that would be good.
func (p *place) altered(old, replacement string) {
	p.Helper()
	raw := string(p.good.BundleOf(p.statement(), imagetest.Statement))
	if !strings.Contains(raw, old) {
		p.Fatalf("no %s in %s", old, raw)
	}
	p.bundle([]byte(strings.Replace(raw, old, replacement, 1)))
}

// cases are what may be found beside an image, and what is to be made of it.
var cases = []struct {
	name   string
	make   func(p *place)
	state  imagesign.State
	reason string
}{
	{"nothing", func(*place) {}, imagesign.Unsigned, "no signature"},
	{"simple", func(p *place) {
		p.add(p.image, p.good.SignSimply(p.Put, p.image.Digest, ""))
	}, imagesign.Signed, ""},
	{"bundle", func(p *place) { p.add(p.image, p.good.SignBundled(p.Put, p.image)) }, imagesign.Signed, ""},
	{"the type of containers-signature", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), "cosign container image",
			"atomic container", 1))
	}, imagesign.Signed, ""},
	{"good beside bad", func(p *place) {
		p.layers(p.bad.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, "")))
		p.add(p.image, p.Put(v1.MediaTypeImageManifest, []byte("{")), p.good.SignSimply(p.Put, p.image.Digest, ""))
	}, imagesign.Signed, ""},
	{"two layers", func(p *place) {
		p.layers(p.bad.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, "")),
			p.good.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, "")))
	}, imagesign.Signed, ""},
	{"a name that signs nothing", func(p *place) {
		p.add(p.image, p.good.SignSimply(p.Put, p.image.Digest, "registry.test/elsewhere"))
	}, imagesign.Signed, ""},

	{"another key", func(p *place) {
		p.add(p.image, p.bad.SignSimply(p.Put, p.image.Digest, ""), p.bad.SignBundled(p.Put, p.image))
	}, imagesign.OtherKey, "2 signatures by another key, or changed since"},
	{"the signature of another image", func(p *place) {
		p.add(p.image, p.good.SignSimply(p.Put, p.other.Digest, ""))
	}, imagesign.OtherImage, "good.pub has signed sha256:"},
	{"the bundle of another image", func(p *place) {
		p.add(p.image, p.good.SignBundled(p.Put, p.other))
	}, imagesign.OtherImage, "and not this"},
	{"a swapped payload", func(p *place) {
		l := p.good.SimpleLayer(p.Put, imagetest.Payload(p.other.Digest, ""))
		swapped := p.Put(imagetest.SimpleSigning, imagetest.Payload(p.image.Digest, ""))
		swapped.Annotations = l.Annotations
		p.layers(swapped)
	}, imagesign.OtherKey, "changed since"},
	{"a swapped statement", func(p *place) {
		b64 := base64.StdEncoding.EncodeToString
		stolen := string(p.good.BundleOf(imagetest.StatementOf(p.other.Digest, imagetest.SignPredicate),
			imagetest.Statement))
		p.bundle([]byte(strings.Replace(stolen,
			b64(imagetest.StatementOf(p.other.Digest, imagetest.SignPredicate)), b64(p.statement()), 1)))
	}, imagesign.Void, "it names good.pub and does not hold"},
	{"a digest of another algorithm", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), "sha256:", "sha512:", 1))
	}, imagesign.OtherImage, "sha512:"},
	{"a digest in capitals", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), p.image.Digest.Encoded(),
			strings.ToUpper(p.image.Digest.Encoded()), 1))
	}, imagesign.OtherImage, `"sha256:`},
	{"a digest without its algorithm", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), "sha256:", "", 1))
	}, imagesign.OtherImage, "and not this"},
	{"the digest stands twice", func(p *place) {
		p.simple(fmt.Sprintf(`{"critical":{"identity":{},"image":{"docker-manifest-digest":%q,`+
			`"docker-manifest-digest":%q},"type":"cosign container image signature"}}`, p.other.Digest, p.image.Digest))
	}, imagesign.Void, "stands twice"},
	{"the digest under a key in capitals", func(p *place) {
		p.simple(fmt.Sprintf(`{"critical":{"identity":{},"image":{"Docker-Manifest-Digest":%q},`+
			`"type":"cosign container image signature"}}`, p.image.Digest))
	}, imagesign.Void, "names no digest"},
	{"critical stands twice", func(p *place) {
		good := string(imagetest.Payload(p.image.Digest, ""))
		p.simple(`{"critical":{},` + good[1:])
	}, imagesign.Void, "stands twice"},
	{"an unknown critical key", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), `"critical":{`,
			`"critical":{"until":"2020-01-01",`, 1))
	}, imagesign.Void, `the critical key "until" is unknown`},
	{"a payload of another type", func(p *place) {
		p.simple(strings.Replace(string(imagetest.Payload(p.image.Digest, "")), "container image signature",
			"file signature", 1))
	}, imagesign.Void, "so it signs no image"},
	{"a signed text", func(p *place) { p.simple("hello") }, imagesign.Void, "no JSON object"},
	{"a signed null", func(p *place) { p.simple("null") }, imagesign.Void, "no JSON object"},
	{"a signed list", func(p *place) { p.simple(`["critical"]`) }, imagesign.Void, "no JSON object"},
	{"no base64", func(p *place) { p.annotated("!") }, imagesign.Void, "no base64"},
	{"an empty signature", func(p *place) { p.annotated("") }, imagesign.Void, "it is empty"},
	{"a huge signature", func(p *place) {
		p.annotated(strings.Repeat("A", limits.SignatureText+1))
	}, imagesign.Void, "more than"},
	{"base64 for addresses", func(p *place) { p.annotated("-_-_") }, imagesign.Void, "no base64"},
	{"a payload that is not here", func(p *place) {
		l := p.good.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, ""))
		delete(p.Content, l.Digest)
		p.layers(l)
	}, imagesign.Void, "not here"},
	{"a damaged payload", func(p *place) {
		l := p.good.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, ""))
		p.Content[l.Digest] = bytes.ToUpper(p.Content[l.Digest])
		p.layers(l)
	}, imagesign.Void, "1 void signature"},
	{"a huge payload", func(p *place) {
		p.layers(p.good.SimpleLayer(p.Put, append(imagetest.Payload(p.image.Digest, ""),
			bytes.Repeat([]byte(" "), limits.SignaturePayload)...)))
	}, imagesign.Void, "more than"},
	{"a certificate", func(p *place) {
		l := p.bad.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, ""))
		l.Annotations["dev.sigstore.cosign/certificate"] = "-----BEGIN CERTIFICATE-----"
		p.layers(l)
	}, imagesign.Keyless, "which cosign verifies"},
	{"a signature of notation", func(p *place) {
		m := imagetest.Manifest(p.Put("application/vnd.cncf.notary.signature", []byte("{}")),
			p.Put("application/jose+json", []byte("{}")))
		p.add(p.image, p.PutJSON(m.MediaType, m))
	}, imagesign.Unchecked, "a signature of notation"},
	{"an SBOM", func(p *place) {
		p.layers(p.Put("text/spdx+json", []byte("{}")))
	}, imagesign.Unsigned, "no signature"},
	{"an attestation of cosign 2", func(p *place) {
		p.layers(p.Put("application/vnd.dsse.envelope.v1+json", []byte("{}")))
	}, imagesign.Unsigned, "no signature"},

	{"an attestation in a bundle", func(p *place) {
		p.bundle(p.good.BundleOf(imagetest.StatementOf(p.image.Digest, "https://slsa.dev/provenance/v1"),
			imagetest.Statement))
	}, imagesign.Attested, "good.pub attests to it and does not sign it"},
	{"a bundle with a certificate", func(p *place) {
		p.altered(`"publicKey":`, `"certificate":{"rawBytes":"AA=="},"publicKey":`)
	}, imagesign.Keyless, "which cosign verifies"},
	{"a bundle with a message signature", func(p *place) {
		p.altered(`"dsseEnvelope":`, `"messageSignature":{"signature":"AA=="},"was":`)
	}, imagesign.Unchecked, "of files and not of images"},
	{"a bundle with both", func(p *place) {
		p.altered(`"dsseEnvelope":`, `"messageSignature":{"signature":"AA=="},"dsseEnvelope":`)
	}, imagesign.Void, "one envelope"},
	{"a bundle of another version", func(p *place) {
		p.altered(imagetest.Bundle, "application/vnd.dev.sigstore.bundle+json;version=0.1")
	}, imagesign.Unchecked, "version=0.1"},
	{"an envelope around something else", func(p *place) {
		p.bundle(p.good.BundleOf(p.statement(), "text/plain"))
	}, imagesign.Unchecked, `"text/plain"`},
	{"an envelope whose type was changed", func(p *place) {
		raw := string(p.good.BundleOf(p.statement(), "text/plain"))
		p.bundle([]byte(strings.Replace(raw, "text/plain", imagetest.Statement, 1)))
	}, imagesign.Void, "does not hold"},
	{"a payload signed without its type", func(p *place) {
		raw := string(p.good.BundleOf(p.statement(), imagetest.Statement))
		at := strings.Index(raw, `"sig":"`) + len(`"sig":"`)
		p.bundle([]byte(raw[:at] + base64.StdEncoding.EncodeToString(p.good.Signature(p.statement())) + `"}]}}`))
	}, imagesign.Void, "does not hold"},
	{"an envelope with two signatures", func(p *place) {
		p.altered(`"signatures":[`, `"signatures":[{"sig":"AA=="},`)
	}, imagesign.Void, "2 signatures"},
	{"an envelope without signatures", func(p *place) {
		p.altered(`"signatures":[`, `"signatures":[],"was":[`)
	}, imagesign.Void, "0 signatures"},
	{"an envelope with signatures of null", func(p *place) {
		p.altered(`"signatures":[`, `"signatures":null,"was":[`)
	}, imagesign.Void, "0 signatures"},
	{"an envelope with an empty signature", func(p *place) {
		p.altered(`"signatures":[`, `"signatures":[{"sig":""}],"was":[`)
	}, imagesign.Void, `"sig" is empty`},
	{"an envelope that stands twice", func(p *place) {
		p.altered(`"dsseEnvelope":`, `"dsseEnvelope":{},"dsseEnvelope":`)
	}, imagesign.Void, "stands twice"},
	{"a statement of another type", func(p *place) {
		p.bundle(p.good.BundleOf(bytes.Replace(p.statement(), []byte("in-toto.io"), []byte("example.org"), 1),
			imagetest.Statement))
	}, imagesign.Void, "not that of a statement"},
	{"a statement without subjects", func(p *place) {
		p.bundle(p.good.BundleOf([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[],`+
			`"predicateType":"https://sigstore.dev/cosign/sign/v1"}`), imagetest.Statement))
	}, imagesign.Void, "no digest"},
	{"a huge bundle", func(p *place) {
		p.bundle(append(p.good.BundleOf(p.statement(), imagetest.Statement),
			bytes.Repeat([]byte(" "), limits.SignaturePayload)...))
	}, imagesign.Unchecked, "too large"},
	{"very many signatures", func(p *place) {
		l := p.bad.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, ""))
		p.layers(append(slices.Repeat([]v1.Descriptor{l}, limits.Signatures),
			p.good.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, "")))...)
	}, imagesign.Void, "too many to look at all"},
}

// annotated adds a layer with any text as its signature.
func (p *place) annotated(text string) {
	l := p.good.SimpleLayer(p.Put, imagetest.Payload(p.image.Digest, ""))
	l.Annotations[imagetest.CosignSignature] = text
	p.layers(l)
}

func TestCheck(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			c.make(p)
			v := p.check(p.image)
			if v.State != c.state || !strings.Contains(v.Reason, c.reason) || (v.Reason == "") != (c.reason == "") {
				t.Errorf("%s: %s", v.State, v.Reason)
			}
			if (len(v.Keys) > 0) != (c.state == imagesign.Signed) {
				t.Errorf("keys: %v", v.Keys)
			}
		})
	}
}

func TestSeveralKeys(t *testing.T) {
	p := newPlace(t)
	p.add(p.image, p.good.SignBundled(p.Put, p.image), p.bad.SignSimply(p.Put, p.image.Digest, "a.test/b"))
	good, bad := p.key("good.pub", p.good), p.key("bad.pub", p.bad)
	none := p.key("none.pub", imagetest.NewCosignKey())
	if v := p.check(p.image, bad, none, good); v.By() != "bad.pub, good.pub" || v.Names[0] != "a.test/b" {
		t.Errorf("%s: %v", v.By(), v.Names)
	}
	if v := p.check(p.image, none); v.State != imagesign.OtherKey {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
}

func TestIndex(t *testing.T) {
	p := newPlace(t)
	one, two, inner := p.image, p.other, p.manifest("inner")
	deep := p.index(inner)
	sign := func(all ...v1.Descriptor) {
		for _, d := range all {
			p.add(d, p.good.SignBundled(p.Put, d))
		}
	}
	for _, c := range []struct {
		name   string
		sign   []v1.Descriptor
		root   v1.Descriptor
		signed bool
		text   string
	}{
		{"nothing", nil, p.index(one, two), false, "no signature is here"},
		{"the index", []v1.Descriptor{p.index(one, two)}, p.index(one, two), true, "good.pub"},
		{"one manifest", []v1.Descriptor{one}, p.index(one, two), false, "signed manifests in its index: 1 of 2"},
		{"each manifest", []v1.Descriptor{one, two}, p.index(one, two), true, "good.pub (each of 2 manifests)"},
		{"an index in it", []v1.Descriptor{one, deep}, p.index(one, deep), true, "good.pub (each of 2 manifests)"},
		{"a manifest in an index in it", []v1.Descriptor{one, inner}, p.index(one, deep), true, "(each of 2"},
		{"all but what is deep", []v1.Descriptor{one, two}, p.index(one, two, deep), false, "2 of 3"},
		{"an empty index", nil, p.index(), false, "no signature is here"},
		{"an empty index in it", []v1.Descriptor{one}, p.index(one, p.index()), false, "1 of 2"},
		{"the index is for another", []v1.Descriptor{p.index(two)}, p.index(one), false, "no signature is here"},
		{"a manifest, and not its index", []v1.Descriptor{p.index(one, two)}, one, false, "no signature is here"},
	} {
		clear(p.belongs)
		sign(c.sign...)
		v := p.check(c.root)
		if got := v.By() + v.Reason; (v.State == imagesign.Signed) != c.signed || !strings.Contains(got, c.text) {
			t.Errorf("%s: %s: %s", c.name, v.State, got)
		}
	}
}

// TestIndexes tries indexes that lead to the same index very often: without memory that would never end.
func TestIndexes(t *testing.T) {
	p := newPlace(t)
	root := p.image
	for range limits.Depth {
		root = p.index(slices.Repeat([]v1.Descriptor{root}, 1000)...)
	}
	if v := p.check(root); v.State != imagesign.Unsigned {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	p.add(p.image, p.good.SignBundled(p.Put, p.image))
	if v := p.check(root); v.State != imagesign.Signed || v.Manifests != limits.Manifests {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	if v := p.check(p.index(root, root, p.other)); v.State == imagesign.Signed {
		t.Error("signed:", v.By())
	}
}

func TestDamagedIndex(t *testing.T) {
	p := newPlace(t)
	root := p.index(p.image)
	p.add(p.image, p.good.SignBundled(p.Put, p.image))
	p.Content[root.Digest] = []byte("{}")
	if v := p.check(root); v.State == imagesign.Signed {
		t.Error("signed:", v.By())
	}
	p.add(root, p.good.SignBundled(p.Put, root))
	if v := p.check(root); v.State != imagesign.Signed {
		t.Error("a signature is about the digest, whatever is in its place:", v.Reason)
	}
}

// TestVeryMuch has one large signature stand with many images: it is read anew for each, but not for ever.
func TestVeryMuch(t *testing.T) {
	p := newPlace(t)
	large := p.good.SimpleLayer(p.Put, append(imagetest.Payload(p.image.Digest, ""),
		bytes.Repeat([]byte(" "), limits.SignaturePayload-1000)...))
	p.layers(large)
	find := func(d digest.Digest) []v1.Descriptor { return p.belongs[p.image.Digest] }
	c := imagesign.New(p.Store, find, []*imagesign.Key{p.key("good.pub", p.good)})
	c.SetRoom(3 << 20)
	var states []imagesign.State
	for i := range 4 {
		root := p.image
		if i != 1 {
			root = p.manifest(fmt.Sprint(i))
		}
		v, err := c.Check(context.Background(), p.Store, root)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, v.State)
	}
	want := []imagesign.State{imagesign.OtherImage, imagesign.Signed, imagesign.OtherImage, imagesign.Void}
	if !slices.Equal(states, want) {
		t.Error(states)
	}
}

// TestMalleable holds that the other form of an ECDSA signature counts like the first: it signs the same.
func TestMalleable(t *testing.T) {
	p := newPlace(t)
	payload := imagetest.Payload(p.image.Digest, "")
	l := p.good.SimpleLayer(p.Put, payload)
	raw, err := base64.StdEncoding.DecodeString(l.Annotations[imagetest.CosignSignature])
	if err != nil {
		t.Fatal(err)
	}
	l.Annotations[imagetest.CosignSignature] = base64.StdEncoding.EncodeToString(
		negate(t, raw, p.good.Public().(*ecdsa.PublicKey)))
	p.layers(l)
	if v := p.check(p.image); v.State != imagesign.Signed {
		t.Error(v.Reason)
	}
}

func TestEndOfContext(t *testing.T) {
	p := newPlace(t)
	p.add(p.image, p.good.SignBundled(p.Put, p.image))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	find := func(d digest.Digest) []v1.Descriptor { return p.belongs[d] }
	c := imagesign.New(p.Store, find, []*imagesign.Key{p.key("good.pub", p.good)})
	if v, err := c.Check(ctx, image.Source(p.Store), p.image); err == nil {
		t.Error(v)
	}
}
