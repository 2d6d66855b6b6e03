package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// What minisign calls its algorithms in files.
const (
	algorithmWhole  = "Ed" // a signature of the file itself, as minisign made it up to version 0.10
	algorithmHashed = "ED" // a signature of the file's BLAKE2b-512
)

const (
	commentPrefix = "untrusted comment: "
	trustedPrefix = "trusted comment: "
)

// KeyID is the number of a key of minisign. It helps to find the key and proves nothing.
type KeyID [8]byte

// String returns the number as minisign prints it.
func (id KeyID) String() string { return fmt.Sprintf("%X", binary.LittleEndian.Uint64(id[:])) }

// PublicKey is a public key of minisign.
type PublicKey struct {
	ID  KeyID
	Key ed25519.PublicKey
}

// String returns the key as minisign -P takes it.
func (p PublicKey) String() string {
	raw := append(append([]byte(algorithmWhole), p.ID[:]...), p.Key...)
	return base64.StdEncoding.EncodeToString(raw)
}

// Encode returns what a file with the key holds.
func (p PublicKey) Encode() []byte {
	return fmt.Appendf(nil, "%sminisign public key %s\n%s\n", commentPrefix, p.ID, p)
}

// ParsePublicKey reads a public key of minisign: the content of its file, or the line that minisign -P takes.
func ParsePublicKey(text string) (PublicKey, error) {
	lines := linesOf(text)
	if len(lines) > 0 && strings.HasPrefix(lines[0], commentPrefix) {
		lines = lines[1:]
	}
	if len(lines) != 1 {
		return PublicKey{}, errors.New("no public key of minisign: a comment and one line are expected")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(lines[0])
	const size = 2 + len(KeyID{}) + ed25519.PublicKeySize
	switch {
	case err != nil:
		return PublicKey{}, errors.New("no public key of minisign: its line is no base64")
	case len(raw) != size && len(raw) > len(algorithmWhole) && string(raw[:2]) == algorithmWhole:
		return PublicKey{}, fmt.Errorf("no public key of minisign: its line has %d bytes and not %d",
			len(raw), size)
	case len(raw) != size || string(raw[:2]) != algorithmWhole:
		return PublicKey{}, errors.New("no public key of minisign: its line is something else")
	}
	return PublicKey{ID: KeyID(raw[2:10]), Key: ed25519.PublicKey(raw[10:])}, nil
}

// linesOf divides a text that ends in a line end or not. Mail and Windows programs end lines in two bytes.
func linesOf(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines[:len(lines)-1] {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
