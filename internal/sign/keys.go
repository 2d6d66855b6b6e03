package sign

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/usage"
)

// Keys are public keys that somebody trusts. Each alone may have signed.
type Keys struct {
	minisign []trusted
	signers  []signer
}

// trusted is a key of minisign, and where it stands.
type trusted struct {
	PublicKey
	from string
}

// ParseKeys reads what the user trusts: each a public key of minisign itself, or the name of a file with such
// a key or with allowed signers of ssh. What is a key is never a name: anybody could have left a file that is
// called so.
func ParseKeys(texts []string) (*Keys, error) {
	k := &Keys{}
	for _, text := range texts {
		if err := k.add(text); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *Keys) add(text string) error {
	if key, err := ParsePublicKey(strings.TrimSpace(text)); err == nil {
		k.minisign = append(k.minisign, trusted{key, "the command line"})
		return nil
	}
	data, err := read(text, limits.KeyFile)
	if err != nil {
		return err
	}
	if err := k.parse(text, string(plaintext.UTF8(data))); err != nil {
		return usage.Errorf("%v", err)
	}
	return nil
}

// parse reads a file with keys and tells by its content what it is.
func (k *Keys) parse(name, text string) error {
	switch {
	case isSecret(text):
		return fmt.Errorf("%s is a secret key: give the public key, which is in the file with .pub", name)
	case strings.HasPrefix(text, commentPrefix), len(linesOf(text)) == 1 && !strings.Contains(text, " "):
		key, err := ParsePublicKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		k.minisign = append(k.minisign, trusted{key, name})
		return nil
	}
	signers, err := parseSigners(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for i := range signers {
		signers[i].from = name
	}
	k.signers = append(k.signers, signers...)
	return nil
}

// ids lists the key IDs of the keys of minisign.
func (k *Keys) ids() string {
	var ids []string
	for _, key := range k.minisign {
		ids = append(ids, key.ID.String())
	}
	return strings.Join(ids, ", ")
}

func (k *Keys) checkMinisign(text, content []byte, name string) (*Signed, error) {
	s, err := ParseSignature(string(text))
	if err != nil {
		return nil, failf("%s: the signature is damaged: %w", name, err)
	}
	var fault error
	for _, key := range k.minisign { // two keys may have one ID: it is a number that anybody can choose
		if key.ID != s.ID {
			continue
		}
		if fault = s.verify(key.PublicKey, content); fault == nil {
			return &Signed{By: key.ID.String(), Time: s.Time(), Comment: s.Comment, KeyFile: key.from}, nil
		}
	}
	switch {
	case fault == nil:
		return nil, failf("%s: signed by another key: its key ID is %s, that of --key is %s", name, s.ID, k.ids())
	case errors.Is(fault, errComment):
		return nil, failf("%s: the trusted comment was changed after signing", name)
	case errors.Is(fault, errDamaged):
		return nil, failf("%s: the signature is damaged", name)
	}
	file := strings.TrimSuffix(name, MinisignSuffix)
	return nil, failf("%s was changed after signing, or %s is the signature of another file",
		file, filepath.Base(name))
}

// unsigned is the error about a file that has no signature.
func (k *Keys) unsigned(file string, missing []string) error {
	hint := ""
	if other := Beside(file); other != "" {
		hint = "; " + other + " is there, and --key has no key of that kind"
	}
	return failf("%s is not signed: there is no %s beside it%s", file, strings.Join(missing, " and no "), hint)
}
