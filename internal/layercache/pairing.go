package layercache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Pairings are blobs of foreign make that were read, unpacked and compared with a layer. They never say what
// a layer becomes when it is compressed here, so they stand apart from what Lookup finds.

// maxPairing bounds the file of a pairing: digests and a media type.
const maxPairing = 4 << 10

// Proved remembers that the blob unpacks to the layer. It does not sync: what a crash leaves of a file proves
// nothing.
func (c *Cache) Proved(diffID digest.Digest, blob v1.Descriptor) {
	c.keep(pairingName("is", proof(diffID, blob)), []byte(proof(diffID, blob)))
}

// Proves reports whether the blob is known to unpack to the layer.
func (c *Cache) Proves(diffID digest.Digest, blob v1.Descriptor) bool {
	raw := c.kept(pairingName("is", proof(diffID, blob)))
	return raw != nil && string(raw) == proof(diffID, blob)
}

func proof(diffID digest.Digest, blob v1.Descriptor) string {
	return fmt.Sprintf("%s %s %d %q\n", diffID, blob.Digest, blob.Size, blob.MediaType)
}

// Settle remembers which proved blob a repository has as the layer.
func (c *Cache) Settle(registry, repository string, diffID digest.Digest, blob v1.Descriptor) {
	plain := v1.Descriptor{MediaType: blob.MediaType, Digest: blob.Digest, Size: blob.Size}
	if raw, err := json.Marshal(plain); err == nil {
		c.keep(pairingName("in", registry+"\n"+repository+"\n"+diffID.String()), raw)
	}
}

// Settled returns the blob that a repository had as the layer, if one is known.
func (c *Cache) Settled(registry, repository string, diffID digest.Digest) (v1.Descriptor, bool) {
	var d v1.Descriptor
	raw := c.kept(pairingName("in", registry+"\n"+repository+"\n"+diffID.String()))
	if raw == nil || json.Unmarshal(raw, &d) != nil || verify.Descriptor(d) != nil || !c.Proves(diffID, d) {
		return v1.Descriptor{}, false
	}
	return d, true
}

// pairingName hashes what a pairing is about: names of registries may have bytes that files may not have, and
// two digests may be too long for the name of a file.
func pairingName(kind, about string) string {
	sum := sha256.Sum256([]byte(about))
	return kind + "-" + hex.EncodeToString(sum[:])
}

// kept returns the content of a small file, or nil.
func (c *Cache) kept(name string) []byte {
	if c == nil {
		return nil
	}
	path := filepath.Join(c.dir, name)
	if fi, err := os.Stat(path); err != nil || fi.Size() > maxPairing {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return raw
}

// keep writes a small file. A cache that cannot be written is no error.
func (c *Cache) keep(name string, raw []byte) {
	if c == nil || len(raw) > maxPairing || string(c.kept(name)) == string(raw) {
		return
	}
	if os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	_ = os.WriteFile(filepath.Join(c.dir, name), raw, 0o600)
}
