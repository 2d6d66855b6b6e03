package schema1_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/compression"
	"drayage/internal/schema1"
	"drayage/internal/schema1test"
	"drayage/internal/verify"
)

// FuzzParse checks that whatever is accepted can be converted into an image, that its digest is that of its
// payload, and that the payload, which is what the digest vouches for, says the same when it stands alone.
func FuzzParse(f *testing.F) {
	a, b := schema1test.NewSigner(), schema1test.NewSigner()
	for _, all := range []layers{
		nil, {{Blob: one}}, {step(blobA, base(nil)), step(empty, base(fields{"throwaway": true})),
			step(blobB, top(nil))},
		{{Blob: one}, {Blob: two, Fields: fields{"id": schema1test.ID(0)}}, {Blob: one}},
		{{Blob: one}, {Blob: two, Fields: fields{"parent": "x"}}},
		{step(blobA, top(fields{"docker_version": "1.0", "config": fields{"Cmd": "x"}}))},
	} {
		p := payload(all...)
		f.Add(p)
		f.Add(schema1test.Sign(p, a))
		f.Add(schema1test.Sign(p, a, b))
	}
	f.Add(payload(schema1test.Layer{Blob: one, Fields: fields{"created": "2015-04-0XT06:07:08Z"}}))
	f.Add(fromRegistry(f))
	f.Add([]byte(`{"a":1,"signatures":[` + signature(6, "}") + `,` + signature(6, "}") + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		im, err := schema1.Parse(raw)
		if err != nil {
			return
		}
		p, err := schema1.Payload(raw)
		if err != nil {
			t.Fatalf("parsed, but without a payload: %v", err)
		}
		blobs := map[digest.Digest]schema1.Blob{}
		for i, d := range im.Blobs() {
			if err := verify.Digest(d); err != nil {
				t.Fatal(err)
			}
			blobs[d] = schema1.Blob{Size: int64(i), DiffID: digest.FromString(d.String()), Kind: compression.Gzip}
		}
		config, image, err := im.Convert(blobs)
		if err != nil {
			t.Fatalf("not converted: %v", err)
		}
		checkImage(t, config, image)
		var fields map[string]any
		if _ = json.Unmarshal(p, &fields); fields["signatures"] != nil || bytes.Contains(p, []byte("signatures")) {
			return // the payload of a payload may be another one
		}
		alone, err := schema1.Parse(p)
		if err != nil {
			t.Fatalf("the payload alone is refused: %v", err)
		}
		again, _, err := alone.Convert(blobs)
		if err != nil || !bytes.Equal(config, again) {
			t.Fatalf("the payload alone makes another configuration (%v):\n%s\n%s", err, config, again)
		}
	})
}
