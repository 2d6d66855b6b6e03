// Package layercache remembers what later pushes can use: what a layer became when it was compressed, which
// repository has a blob, and where to resume an upload. It holds no content, trusts nothing that it cannot
// check, and may be deleted at any time.
package layercache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/verify"
)

// Cache is a directory of entries. The nil Cache remembers nothing.
type Cache struct {
	dir    string
	method string
}

// Open returns the cache in dir for one way of compressing, which method names. An empty dir means no cache.
func Open(dir, method string) *Cache {
	if dir == "" {
		return nil
	}
	return &Cache{dir: dir, method: method}
}

// DefaultDir is drayage's place in the user's cache directory, or empty if there is none.
func DefaultDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "drayage", "layers")
}

func (c *Cache) name(diffID digest.Digest) string {
	return diffID.Algorithm().String() + "-" + diffID.Encoded() + "." + c.method
}

// Lookup returns what the layer with this diff ID became, if that is known.
func (c *Cache) Lookup(diffID digest.Digest) (v1.Descriptor, bool) {
	var d v1.Descriptor
	if c == nil {
		return d, false
	}
	raw, err := os.ReadFile(filepath.Join(c.dir, c.name(diffID)))
	if err != nil || json.Unmarshal(raw, &d) != nil || verify.Descriptor(d) != nil || d.MediaType == "" {
		return v1.Descriptor{}, false
	}
	return d, true
}

// Store remembers what the layer with this diff ID became. A cache that cannot be written is no error: the
// next push is slower.
func (c *Cache) Store(diffID digest.Digest, d v1.Descriptor) {
	if c == nil || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return
	}
	defer root.Close()
	raw, err := json.Marshal(v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
	if err != nil {
		return
	}
	name := c.name(diffID)
	_ = durable.WriteFile(root, name+".tmp", name, raw)
}

// repositoryName matches a repository's path
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests). Paths of
// proxies may have capitals.
var repositoryName = regexp.MustCompile(`^[A-Za-z0-9]+([._/-]+[A-Za-z0-9]+)*$`)

const maxRepositoryName = 255

// Where returns a repository of the registry that had the blob once, or nothing.
func (c *Cache) Where(registry string, blob digest.Digest) string {
	if c == nil || verify.Digest(blob) != nil {
		return ""
	}
	raw, err := os.ReadFile(filepath.Join(c.dir, placeName(registry, blob)))
	if err != nil || len(raw) > maxRepositoryName || !repositoryName.Match(raw) {
		return ""
	}
	return string(raw)
}

// Placed remembers that the repository has the blob, in place of an earlier repository. It does not sync:
// what a crash leaves of a file names no repository, or one from which the registry will not mount.
func (c *Cache) Placed(registry, repository string, blob digest.Digest) {
	if c == nil || verify.Digest(blob) != nil || len(repository) > maxRepositoryName ||
		!repositoryName.MatchString(repository) {
		return
	}
	if c.Where(registry, blob) == repository || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	_ = os.WriteFile(filepath.Join(c.dir, placeName(registry, blob)), []byte(repository), 0o600)
}

// placeName hashes the registry's name, which may have bytes that a file name may not have.
func placeName(registry string, blob digest.Digest) string {
	sum := sha256.Sum256([]byte(registry))
	return "at-" + hex.EncodeToString(sum[:8]) + "-" + blob.Algorithm().String() + "-" + blob.Encoded()
}
