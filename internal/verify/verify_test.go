package verify_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

func TestDigest(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for _, c := range []struct {
		name, digest string
		ok           bool
	}{
		{"sha256", "sha256:" + hex, true},
		{"sha512", "sha512:" + hex + hex, true},
		{"sha384, which images do not use", "sha384:" + strings.Repeat("0a", 48), false},
		{"md5", "md5:" + strings.Repeat("0a", 16), false},
		{"unknown algorithm", "blake3:" + hex, false},
		{"upper case", "sha256:" + strings.ToUpper(hex), false},
		{"one digit short", "sha256:" + hex[1:], false},
		{"one digit long", "sha256:" + hex + "0", false},
		{"sha512 with the length of sha256", "sha512:" + hex, false},
		{"no algorithm", hex, false},
		{"empty", "", false},
		{"only an algorithm", "sha256:", false},
		{"path", "sha256:../../../etc/passwd", false},
		{"path of the right length", "sha256:" + "../" + hex[3:], false},
		{"newline behind it", "sha256:" + hex + "\n", false},
		{"null byte in it", "sha256:\x00" + hex[1:], false},
		{"query behind it", "sha256:" + hex + "?a=b", false},
	} {
		if err := verify.Digest(digest.Digest(c.digest)); (err == nil) != c.ok {
			t.Errorf("%s: Digest(%q) = %v, want ok: %v", c.name, c.digest, err, c.ok)
		}
	}
}

func TestDescriptorSize(t *testing.T) {
	for _, c := range []struct {
		size int64
		ok   bool
	}{
		{0, true}, {1, true}, {verify.MaxBlobSize, true},
		{-1, false}, {math.MinInt64, false}, {verify.MaxBlobSize + 1, false}, {math.MaxInt64, false},
	} {
		d := v1.Descriptor{Digest: digest.FromString("x"), Size: c.size}
		if err := verify.Descriptor(d); (err == nil) != c.ok {
			t.Errorf("size %d: %v, want ok: %v", c.size, err, c.ok)
		}
	}
	if err := verify.Descriptor(v1.Descriptor{Digest: "sha256:x", Size: 1}); err == nil {
		t.Error("a descriptor with an invalid digest was accepted")
	}
}

func TestBytes(t *testing.T) {
	const content = "the whole content"
	sum256, sum512 := digest.FromString(content), digest.SHA512.FromString(content)
	for _, c := range []struct {
		name   string
		digest digest.Digest
		size   int
		bytes  string
		ok     bool
	}{
		{"right", sum256, len(content), content, true},
		{"right sha512", sum512, len(content), content, true},
		{"empty", digest.FromString(""), 0, "", true},
		{"one byte wrong", sum256, len(content), "the whole c0ntent", false},
		{"short", sum256, len(content), content[1:], false},
		{"long", sum256, len(content), content + "!", false},
		{"right digest, smaller size", sum256, len(content) - 1, content, false},
		{"right digest, larger size", sum256, len(content) + 1, content, false},
		{"something where nothing should be", digest.FromString(""), 0, "x", false},
	} {
		err := verify.Bytes(v1.Descriptor{Digest: c.digest, Size: int64(c.size)}, []byte(c.bytes))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %v, want ok: %v", c.name, err, c.ok)
		}
	}
}

func TestCheckCutsOffAtTheSize(t *testing.T) {
	c := verify.NewCheck(v1.Descriptor{Digest: digest.FromString("abc"), Size: 3})
	for _, p := range []string{"a", "", "bc"} {
		if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", p, n, err)
		}
	}
	if n, err := c.Write([]byte("d")); n != 0 || !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("a byte too many: %d, %v", n, err)
	}
	if c.Offset() != 3 {
		t.Errorf("offset %d, want 3: what is refused does not count", c.Offset())
	}
	if err := c.Done(); err != nil {
		t.Errorf("the content was whole before the byte too many: %v", err)
	}
}
