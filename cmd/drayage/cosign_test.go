package main

import (
	"encoding/json"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

// signImage is the command sign KEY NAME [each|for OTHER]. It signs NAME:1 in the registry REG, as cosign
// does with a key, and writes the public key to the file KEY. The key is made with its first use. With each
// it signs the manifests of an index and not the index. With for it stores the signature of OTHER:1 as that
// of NAME:1.
func signImage(ts *testscript.TestScript, _ bool, args []string) {
	r := ts.Value("REG").(*fakeregistry.Registry)
	keys := ts.Value("KEYS").(map[string]imagetest.CosignKey)
	key, there := keys[args[0]]
	if !there {
		key = imagetest.NewCosignKey()
		keys[args[0]] = key
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), key.PEM(), 0o644))
	}
	name := args[1]
	d, ok := r.Tag(name, "1")
	if !ok {
		ts.Fatalf("no %s:1", name)
	}
	as := ts.Getenv("REG") + "/" + name
	switch {
	case len(args) == 2:
		r.PutSignature(name, key, d.Digest, as)
	case args[2] == "each":
		var index v1.Index
		ts.Check(json.Unmarshal(r.Manifest(name, d.Digest), &index))
		for _, m := range index.Manifests {
			r.PutSignature(name, key, m.Digest, as)
		}
	default:
		other, _ := r.Tag(args[3], "1")
		r.PutManifest(name, cosignTag(d.Digest), v1.MediaTypeImageManifest,
			imagetest.Encode(key.SimpleManifest(func(mediaType string, raw []byte) v1.Descriptor {
				blob := r.PutBlob(name, raw)
				blob.MediaType = mediaType
				return blob
			}, other.Digest, as)))
	}
}

func cosignTag(d digest.Digest) string { return "sha256-" + d.Encoded() + ".sig" }
