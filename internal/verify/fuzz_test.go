package verify_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

var known = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// FuzzDigest checks that what is accepted can be part of a path and hashed with, and that it is accepted of
// nothing else.
func FuzzDigest(f *testing.F) {
	hex := strings.Repeat("0a", 32)
	for _, s := range []string{"sha256:" + hex, "sha512:" + hex + hex, "sha256:../../x",
		"sha256:" + strings.ToUpper(hex), "sha256:" + hex[1:], "md5:" + hex[:32], "sha384:" + hex +
			hex[:32], "sha256:" + hex + "\n", ":", "sha256", "\x00"} {
		f.Add(s, int64(3))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		d := digest.Digest(s)
		if ok := verify.Digest(d) == nil; ok != known.MatchString(s) {
			t.Fatalf("%q is accepted: %v", s, ok)
		}
		desc := v1.Descriptor{Digest: d, Size: size}
		if verify.Descriptor(desc) != nil {
			return
		}
		if size < 0 || size > verify.MaxBlobSize {
			t.Fatalf("a size of %d is accepted", size)
		}
		if verify.Bytes(desc, []byte("abc")) == nil && (size != 3 || d.Algorithm().FromString("abc") != d) {
			t.Fatalf("%d bytes of %s are found to be abc", size, s)
		}
	})
}
