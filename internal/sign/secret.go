package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/scrypt"
)

// SecretKey is a key that signs.
type SecretKey struct {
	ID  KeyID
	Key ed25519.PrivateKey
}

// Public returns the key that checks what the secret key signs.
func (k *SecretKey) Public() PublicKey {
	return PublicKey{ID: k.ID, Key: k.Key.Public().(ed25519.PublicKey)}
}

// Generate makes a key from the system's randomness.
func Generate() (*SecretKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &SecretKey{Key: key}
	_, err = rand.Read(k.ID[:])
	return k, err
}

// Sign signs what a file holds. The trusted comment is that of minisign, with the time and the file's name,
// so that both are signed.
func (k *SecretKey) Sign(content []byte, file string, at time.Time) *Signature {
	s := &Signature{ID: k.ID, Hashed: true}
	s.Comment = fmt.Sprintf("timestamp:%d\tfile:%s\thashed", at.Unix(), file)
	sum := blake2b.Sum512(content)
	copy(s.Of[:], ed25519.Sign(k.Key, sum[:]))
	copy(s.All[:], ed25519.Sign(k.Key, append(s.Of[:len(s.Of):len(s.Of)], s.Comment...)))
	return s
}

// MaxPassword is how many bytes of a password minisign reads.
const MaxPassword = 1023

// What a file with a secret key says of how it is encrypted.
const (
	kdfNone       = "\x00\x00"
	kdfScrypt     = "Sc"
	checksum      = "B2"
	secretComment = "minisign encrypted secret key" // minisign says so too of keys without a password
)

// cost is what scrypt does with a password, in the two numbers of libsodium.
type cost struct{ ops, memory uint64 }

// own is the cost for keys that drayage makes: the work of minisign's own keys, in 64 MiB of memory and not
// in 1 GiB. So a save that signs stays within the memory of one that does not.
//
// It is a pointer because Go's compiler fails for s390x if Encode writes the variable itself.
var own = &cost{ops: 1 << 25, memory: 64 << 20}

// most is what a key may ask for: what minisign asks for itself.
var most = cost{ops: 1 << 25, memory: 1 << 30}

// parameters returns those of scrypt. The rules are libsodium's, of crypto_pwhash_scryptsalsa208sha256.
func (c cost) parameters() (n, r, p int) {
	r = 8
	ops := max(c.ops, 1<<15)
	if ops < c.memory/32 {
		return powerAbove(ops / 64), r, 1
	}
	n = powerAbove(c.memory / (256 * 8))
	return n, r, max(int(min(ops/4/uint64(n), 0x3fffffff))/r, 1)
}

// powerAbove is the first power of two above half.
func powerAbove(half uint64) int {
	n := uint64(2)
	for n <= half {
		n *= 2
	}
	return int(n)
}

// The places in a secret key.
const (
	saltAt   = 6
	costAt   = saltAt + 32
	secretAt = costAt + 16
	sumAt    = secretAt + 8 + ed25519.PrivateKeySize
	keySize  = sumAt + blake2b.Size256
)

// stream is what the secret part of a key is encrypted with.
func (c cost) stream(password string, salt []byte) ([]byte, error) {
	n, r, p := c.parameters()
	return scrypt.Key([]byte(password), salt, n, r, p, keySize-secretAt)
}

// sumOf is the checksum of a key that is not encrypted.
func sumOf(raw []byte) [blake2b.Size256]byte {
	return blake2b.Sum256(append([]byte(algorithmWhole), raw[secretAt:sumAt]...))
}

// Encode returns what the file of the key holds, encrypted with a password. If the password is empty it is
// not encrypted.
func (k *SecretKey) Encode(password string) ([]byte, error) {
	raw := make([]byte, keySize)
	copy(raw, algorithmWhole+kdfNone+checksum)
	copy(raw[secretAt:], k.ID[:])
	copy(raw[secretAt+len(k.ID):], k.Key)
	if password != "" { // without one minisign writes no checksum
		sum := sumOf(raw)
		copy(raw[sumAt:], sum[:])
		copy(raw[2:], kdfScrypt)
		if _, err := rand.Read(raw[saltAt:costAt]); err != nil {
			return nil, err
		}
		binary.LittleEndian.PutUint64(raw[costAt:], own.ops)
		binary.LittleEndian.PutUint64(raw[costAt+8:], own.memory)
		stream, err := own.stream(password, raw[saltAt:costAt])
		if err != nil {
			return nil, err
		}
		subtle.XORBytes(raw[secretAt:], raw[secretAt:], stream)
	}
	return fmt.Appendf(nil, "%s%s\n%s\n", commentPrefix, secretComment,
		base64.StdEncoding.EncodeToString(raw)), nil
}

// isSecret reports whether a text is the file of a secret key.
func isSecret(text string) bool {
	_, err := parseSecret(text)
	return err == nil || strings.Contains(text, "PRIVATE KEY-----")
}

// Encrypted is a secret key whose password has not been told yet.
type Encrypted struct {
	raw  []byte
	cost cost
}

// ParseSecretKey reads the file of a secret key. What it says of memory and time is checked here.
func ParseSecretKey(text string) (*Encrypted, error) {
	raw, err := parseSecret(text)
	if err != nil {
		return nil, err
	}
	e := &Encrypted{raw: raw}
	switch {
	case string(raw[4:6]) != checksum:
		return nil, errors.New("its checksum is of a kind that is not known")
	case string(raw[2:4]) == kdfNone:
		return e, nil
	case string(raw[2:4]) != kdfScrypt:
		return nil, errors.New("it is encrypted in a way that is not known")
	}
	e.cost.ops = binary.LittleEndian.Uint64(raw[costAt:])
	e.cost.memory = binary.LittleEndian.Uint64(raw[costAt+8:])
	if e.cost.ops > most.ops || e.cost.memory > most.memory {
		return nil, fmt.Errorf("its password would take more memory or time than that of any key of minisign: "+
			"%d MiB, %d operations", e.cost.memory>>20, e.cost.ops)
	}
	return e, nil
}

// parseSecret returns the bytes of a secret key.
func parseSecret(text string) ([]byte, error) {
	lines := linesOf(text)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], commentPrefix) {
		return nil, errors.New("no secret key of minisign: a comment and one line are expected")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	if err != nil || len(raw) != keySize || string(raw[:2]) != algorithmWhole {
		return nil, errors.New("no secret key of minisign: its second line is something else")
	}
	return raw, nil
}

// NeedsPassword reports whether the key is encrypted.
func (e *Encrypted) NeedsPassword() bool { return string(e.raw[2:4]) == kdfScrypt }

// ErrPassword is the error about a password that does not fit.
var ErrPassword = errors.New("the password is wrong")

// Open decrypts the key. One that drayage has made takes 64 MiB of memory for that, one of minisign 1 GiB.
func (e *Encrypted) Open(password string) (*SecretKey, error) {
	raw := bytes.Clone(e.raw)
	if e.NeedsPassword() {
		stream, err := e.cost.stream(password, raw[saltAt:costAt])
		if err != nil {
			return nil, err
		}
		subtle.XORBytes(raw[secretAt:], raw[secretAt:], stream)
		debug.FreeOSMemory() // long work may follow
	}
	sum := sumOf(raw)
	unsummed := !e.NeedsPassword() && bytes.Equal(raw[sumAt:], make([]byte, len(sum)))
	if !bytes.Equal(raw[sumAt:], sum[:]) && !unsummed {
		if e.NeedsPassword() {
			return nil, ErrPassword
		}
		return nil, errors.New("the secret key is damaged")
	}
	key := ed25519.PrivateKey(raw[secretAt+8 : sumAt])
	if !bytes.Equal(key, ed25519.NewKeyFromSeed(key.Seed())) {
		return nil, errors.New("the secret key is damaged: its halves do not belong together")
	}
	return &SecretKey{ID: KeyID(raw[secretAt : secretAt+8]), Key: key}, nil
}
