package sign

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"drayage/internal/limits"
)

// Namespace is what ssh-keygen -Y sign -n has to say, so that a signature of something else is none of a set
// file.
const Namespace = "drayage-set"

const (
	sshBegin = "-----BEGIN SSH SIGNATURE-----"
	sshEnd   = "-----END SSH SIGNATURE-----"
	sshMagic = "SSHSIG"
)

// leastRSA is the size of the smallest RSA keys that are taken, in bits.
const leastRSA = 2048

// sshSignature is what a file of ssh-keygen -Y sign holds, by
// https://github.com/openssh/openssh-portable/blob/V_9_9_P1/PROTOCOL.sshsig
type sshSignature struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// parseSSH reads the file of an ssh signature.
func parseSSH(text string) (*sshSignature, error) {
	if len(text) > limits.Signature {
		return nil, errors.New("it is too long for a signature of ssh")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	body, ok := strings.CutPrefix(text, sshBegin+"\n")
	if !ok {
		return nil, fmt.Errorf("its first line is not %q", sshBegin)
	}
	body, rest, ok := strings.Cut(body, "\n"+sshEnd)
	if !ok || strings.Trim(rest, "\n") != "" {
		return nil, fmt.Errorf("its last line is not %q", sshEnd)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, errors.New("it is no base64")
	}
	raw, ok = bytes.CutPrefix(raw, []byte(sshMagic))
	s := &sshSignature{}
	if !ok || ssh.Unmarshal(raw, s) != nil {
		return nil, errors.New("what it holds is no signature of ssh")
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("it is of version %d, which is not known", s.Version)
	}
	return s, nil
}

// signed is what the key has signed.
func (s *sshSignature) signed(content []byte) ([]byte, error) {
	var sum []byte
	switch s.Hash {
	case "sha512":
		h := sha512.Sum512(content)
		sum = h[:]
	case "sha256":
		h := sha256.Sum256(content)
		sum = h[:]
	default:
		return nil, fmt.Errorf("it is made with the hash %q, which is not known", s.Hash)
	}
	return append([]byte(sshMagic), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
		s.Namespace, "", s.Hash, string(sum)})...), nil
}

// algorithms are those that are taken, by the type of the key.
var algorithms = map[string][]string{
	ssh.KeyAlgoED25519:    {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256:   {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384:   {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521:   {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoSKED25519:  {ssh.KeyAlgoSKED25519},
	ssh.KeyAlgoSKECDSA256: {ssh.KeyAlgoSKECDSA256},
	ssh.KeyAlgoRSA:        {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// usable says why signatures of a key are not taken.
func usable(key ssh.PublicKey) error {
	if algorithms[key.Type()] == nil {
		return fmt.Errorf("keys of type %q are not taken", key.Type())
	}
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < leastRSA {
			return fmt.Errorf("the RSA key has %d bits: %d are needed", r.N.BitLen(), leastRSA)
		}
	}
	return nil
}

// verify compares the signature with the key that it names.
func (s *sshSignature) verify(key ssh.PublicKey, content []byte) error {
	message, err := s.signed(content)
	if err != nil {
		return err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(s.Signature, &sig); err != nil {
		return errors.New("what it holds is no signature of ssh")
	}
	if !slices.Contains(algorithms[key.Type()], sig.Format) {
		return fmt.Errorf("it is made with %q, which is not taken for a key of type %q", sig.Format, key.Type())
	}
	if !strings.HasPrefix(key.Type(), "sk-") && len(sig.Rest) > 0 {
		return errors.New("bytes follow the signature")
	}
	if strings.HasPrefix(key.Type(), "sk-") && (len(sig.Rest) != 5 || sig.Rest[0]&1 == 0) {
		return errors.New("the hardware key did not ask for a touch")
	}
	if key.Verify(message, &sig) != nil {
		return errContent
	}
	return nil
}

func (k *Keys) checkSSH(text, content []byte, name string) (*Signed, error) {
	s, err := parseSSH(string(text))
	if err != nil {
		return nil, failf("%s: the signature is damaged: %w", name, err)
	}
	key, err := ssh.ParsePublicKey(s.PublicKey)
	if err != nil {
		return nil, failf("%s: the signature is damaged, or its key is of a kind that is not known", name)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return nil, failf("%s: signed with a certificate (%s): certificates are not taken, "+
			"sign with the key alone", name, key.Type())
	}
	print := ssh.FingerprintSHA256(key)
	if s.Namespace != Namespace {
		return nil, failf("%s: the signature is for %q and not for a set file: sign with ssh-keygen -Y sign -n %s",
			name, s.Namespace, Namespace)
	}
	if err := usable(key); err != nil {
		return nil, failf("%s: signed by %s: %w", name, print, err)
	}
	who, err := allowed(k.signers, key, time.Now())
	if err != nil {
		return nil, failf("%s: signed by %s: %w", name, print, err)
	}
	err = s.verify(key, content)
	file := strings.TrimSuffix(name, SSHSuffix)
	switch {
	case errors.Is(err, errContent):
		return nil, failf("%s was changed after signing, or its signature %s is damaged or of another file",
			file, filepath.Base(name))
	case err != nil:
		return nil, failf("%s: the signature does not hold: %w", name, err)
	}
	return &Signed{By: print, Who: who.principals, KeyFile: who.from}, nil
}
