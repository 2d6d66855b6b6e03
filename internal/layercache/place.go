package layercache

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opencontainers/go-digest"

	"drayage/internal/verify"
)

// repositoryName is what a repository's path may look like
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

// Placed remembers that the repository has the blob, in place of what was remembered before. Nothing is
// synced: what a crash leaves of a file names no repository, or one from which the registry will not mount.
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

// placeName is a file name. The name of a registry may have bytes that a file name may not.
func placeName(registry string, blob digest.Digest) string {
	sum := sha256.Sum256([]byte(registry))
	return "at-" + hex.EncodeToString(sum[:8]) + "-" + blob.Algorithm().String() + "-" + blob.Encoded()
}
