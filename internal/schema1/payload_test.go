package schema1_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/schema1"
	"drayage/internal/schema1test"
)

func TestPayload(t *testing.T) {
	a, b := schema1test.NewSigner(), schema1test.NewSigner()
	for name, payload := range map[string]string{
		"as the reference registry writes it": string(payload(schema1test.Layer{Blob: one})),
		"compact":                             `{"schemaVersion":1}`,
		"with spaces at the end":              "{\"schemaVersion\":1 \n}",
	} {
		for form, raw := range map[string][]byte{
			"bare": []byte(payload), "signed": schema1test.Sign([]byte(payload), a),
			"signed twice": schema1test.Sign([]byte(payload), a, b),
		} {
			got, err := schema1.Payload(raw)
			if err != nil || string(got) != payload {
				t.Errorf("%s, %s: %q, %v; want %q", name, form, got, err, payload)
			}
		}
	}
}

// fromRegistry is a manifest that docker-registry 2.8.2 made and signed for a client that takes nothing but
// schema 1:
//
//	curl -H 'Accept: application/vnd.docker.distribution.manifest.v1+prettyjws' \
//	  http://127.0.0.1:5000/v2/conv/manifests/1
func fromRegistry(t testing.TB) []byte {
	raw, err := os.ReadFile("testdata/registry2.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The digest is the one that the registry named in its header.
func TestPayloadOfRegistry(t *testing.T) {
	payload, err := schema1.Payload(fromRegistry(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := digest.FromBytes(
		payload); got != "sha256:e1208f65c465bfff7f8aaa549f17dd8a07bf0a36ba096dbe9198aaec56984f5d" {
		t.Errorf("digest %s", got)
	}
}

// signature is a protected header that cuts at length and continues with tail.
func signature(length int, tail string) string {
	header := fmt.Sprintf(`{"formatLength":%d,"formatTail":%q}`, length,
		base64.RawURLEncoding.EncodeToString([]byte(tail)))
	return fmt.Sprintf(`{"protected":%q}`, base64.RawURLEncoding.EncodeToString([]byte(header)))
}

func TestPayloadRefuses(t *testing.T) {
	signed := func(list string) string { return `{"a":1,"signatures":` + list + `}` }
	for name, raw := range map[string]string{
		"empty":                 ``,
		"not JSON":              `{`,
		"a list":                `[]`,
		"no list of signatures": signed(`{}`),
		"signatures null":       signed(`null`),
		"no signature":          signed(`[]`),
		"nothing protected":     signed(`[{}]`),
		"not base64":            signed(`[{"protected":"!"}]`),
		"not JSON in it":        signed(`[{"protected":"e30x"}]`),
		"tail is not base64": signed(`[{"protected":"` +
			base64.RawURLEncoding.EncodeToString([]byte(`{"formatLength":6,"formatTail":"!"}`)) + `"}]`),
		"length is no number": signed(`[{"protected":"` +
			base64.RawURLEncoding.EncodeToString([]byte(`{"formatLength":"6"}`)) + `"}]`),
		"nothing signed":    signed(`[` + signature(0, "{}") + `]`),
		"negative length":   signed(`[` + signature(-1, "}") + `]`),
		"behind the end":    signed(`[` + signature(1000, "}") + `]`),
		"other lengths":     signed(`[` + signature(6, "}") + `,` + signature(7, "}") + `]`),
		"other tails":       signed(`[` + signature(6, "}") + `,` + signature(6, " }") + `]`),
		"second one is bad": signed(`[` + signature(6, "}") + `,{}]`),
		"too large":         `{"a":"` + strings.Repeat("a", image.MaxManifestSize) + `"}`,
	} {
		if got, err := schema1.Payload([]byte(raw)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, err := schema1.Payload([]byte(signed(`[` + signature(6, "}") + `]`))); err != nil ||
		string(got) != `{"a":1}` {
		t.Errorf("the good one: %q, %v", got, err)
	}
}

// TestParseReadsThePayload hides another image in the part of the manifest that the digest does not cover.
func TestParseReadsThePayload(t *testing.T) {
	good := payload(schema1test.Layer{Blob: one})
	raw := schema1test.Sign(good, schema1test.NewSigner())
	evil := bytes.TrimPrefix(bytes.TrimSuffix(payload(schema1test.Layer{Blob: two}), []byte("\n}")), []byte("{"))
	raw = bytes.Replace(raw, []byte(`"signatures":`), append(evil, `, "signatures":`...), 1)
	p, err := schema1.Payload(raw)
	if err != nil || !bytes.Equal(p, good) {
		t.Fatalf("payload %q, %v", p, err)
	}
	im, err := schema1.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if im.Layers[0].Blob != one {
		t.Error("the layers are those that the digest does not cover")
	}
}
