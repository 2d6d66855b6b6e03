package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"

	"drayage/internal/limits"
)

// Signature is what a .minisig file holds. Its first comment is not kept: nobody has signed it.
type Signature struct {
	ID      KeyID
	Hashed  bool // it signs the BLAKE2b-512 of the file
	Of      [ed25519.SignatureSize]byte
	Comment string                      // the trusted comment
	All     [ed25519.SignatureSize]byte // signs Of and Comment
}

// ParseSignature reads what a .minisig file holds.
func ParseSignature(text string) (*Signature, error) {
	if len(text) > limits.Signature {
		return nil, errors.New("it is too long for a signature of minisign")
	}
	lines := linesOf(text)
	if len(lines) != 4 {
		return nil, fmt.Errorf("it has %d lines and not the 4 of a signature of minisign", len(lines))
	}
	comment, ok := strings.CutPrefix(lines[2], trustedPrefix)
	switch {
	case !strings.HasPrefix(lines[0], commentPrefix):
		return nil, fmt.Errorf("its first line does not begin with %q", commentPrefix)
	case !ok:
		return nil, fmt.Errorf("its third line does not begin with %q", trustedPrefix)
	case len(lines[0])+1 >= limits.Comment, len(lines[2])+1 >= limits.TrustedComment:
		return nil, errors.New("a comment in it is too long")
	case strings.ContainsAny(lines[0]+lines[2], "\x00\r"):
		return nil, errors.New("a comment in it holds a line end or a zero byte")
	}
	s := &Signature{Comment: comment}
	raw, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	if err != nil || len(raw) != 2+len(s.ID)+len(s.Of) {
		return nil, errors.New("its second line is no signature")
	}
	switch string(raw[:2]) {
	case algorithmWhole:
	case algorithmHashed:
		s.Hashed = true
	default:
		return nil, fmt.Errorf("it is of a kind that is not known: %q", raw[:2])
	}
	copy(s.ID[:], raw[2:])
	copy(s.Of[:], raw[10:])
	all, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(all) != len(s.All) {
		return nil, errors.New("its fourth line is no signature")
	}
	copy(s.All[:], all)
	return s, nil
}

// Encode returns what the .minisig file holds.
func (s *Signature) Encode() []byte {
	algorithm := algorithmWhole
	if s.Hashed {
		algorithm = algorithmHashed
	}
	raw := append(append([]byte(algorithm), s.ID[:]...), s.Of[:]...)
	line := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "%ssignature from drayage secret key\n%s\n%s%s\n%s\n",
		commentPrefix, line(raw), trustedPrefix, s.Comment, line(s.All[:]))
}

// What may be wrong with a signature whose key ID is that of the key.
var (
	errContent = errors.New("the file was changed")
	errComment = errors.New("the trusted comment was changed")
	errDamaged = errors.New("the signature was changed")
)

// verify compares the signature with a key of its key ID. The second signature, which covers the first, tells
// which of the two files was changed.
func (s *Signature) verify(key PublicKey, content []byte) error {
	message := content
	if s.Hashed {
		sum := blake2b.Sum512(content)
		message = sum[:]
	}
	of := ed25519.Verify(key.Key, message, s.Of[:])
	all := ed25519.Verify(key.Key, append(s.Of[:len(s.Of):len(s.Of)], s.Comment...), s.All[:])
	switch {
	case of && all:
		return nil
	case of:
		return errComment
	case all:
		return errContent
	}
	return errDamaged
}

// Time is when the signer's clock says that the signature was made, by a trusted comment as minisign writes
// it. It is zero if the comment does not say.
func (s *Signature) Time() time.Time {
	for field := range strings.SplitSeq(s.Comment, "\t") {
		if digits, ok := strings.CutPrefix(field, "timestamp:"); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || n < 0 || n > latest {
				return time.Time{}
			}
			return time.Unix(n, 0).UTC()
		}
	}
	return time.Time{}
}

// latest is the last second of the year 9999.
const latest = 253402300799
