package schema1test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// Signer has a new key that nobody trusts, as each Docker daemon had one.
type Signer struct {
	key *ecdsa.PrivateKey
	jwk map[string]string
}

// NewSigner makes a new key.
func NewSigner() *Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	point, err := key.PublicKey.Bytes() // 4, x, y
	must(err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(err)
	return &Signer{key: key, jwk: map[string]string{
		"kty": "EC", "crv": "P-256", "kid": keyID(der), "x": encode(point[1:33]), "y": encode(point[33:]),
	}}
}

// keyID is the name of a key: the beginning of its hash in groups of four letters.
func keyID(der []byte) string {
	sum := sha256.Sum256(der)
	letters := base32.StdEncoding.EncodeToString(sum[:30])
	var groups []string
	for g := range slices.Chunk([]byte(letters), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, ":")
}

// Sign puts signatures of all signers into payload, which must be a JSON object. They are a JSON web
// signature in the pretty form: the payload stays readable, and the signatures stand in its last field.
func Sign(payload []byte, signers ...*Signer) []byte {
	head := bytes.TrimRight(payload[:bytes.LastIndexByte(payload, '}')], " \n\t\r")
	tail := payload[len(head):]
	protected, err := json.Marshal(map[string]any{
		"formatLength": len(head), "formatTail": encode(tail), "time": "2016-01-02T03:04:05Z",
	})
	must(err)
	var signatures []map[string]any
	for _, s := range signers {
		signatures = append(signatures, map[string]any{
			"header":    map[string]any{"jwk": s.jwk, "alg": "ES256"},
			"signature": s.sign(encode(protected) + "." + encode(payload)),
			"protected": encode(protected),
		})
	}
	list, err := json.MarshalIndent(signatures, "   ", "   ")
	must(err)
	return slices.Concat(head, []byte(",\n   \"signatures\": "), list, tail)
}

func (s *Signer) sign(text string) string {
	sum := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	must(err)
	both := make([]byte, 64)
	r.FillBytes(both[:32])
	v.FillBytes(both[32:])
	return encode(both)
}

func encode(p []byte) string { return base64.RawURLEncoding.EncodeToString(p) }
