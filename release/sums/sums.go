// Package sums writes the sums of a release, and signs them.
package sums

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
)

// Name is the file with the sums, as sha256sum writes and reads it.
const Name = "SHA256SUMS"

// Of returns the SHA-256 of a file in hexadecimal.
func Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// Write writes the sums of all files in a directory into it.
func Write(dir string) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Name() == Name || e.Name() == Name+".minisig" {
			continue
		}
		sum, err := Of(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, e.Name())
	}
	return os.WriteFile(filepath.Join(dir, Name), []byte(b.String()), 0o644)
}

// Key is a secret key of minisign.
type Key struct{ private minisign.PrivateKey }

// ReadKey reads a key from a file. The password is for a file that has one.
func ReadKey(path, password string) (Key, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	var k Key
	if !minisign.IsEncrypted(raw) {
		if err := k.private.UnmarshalText(raw); err != nil {
			return k, fmt.Errorf("%s holds no secret key of minisign: %w", path, err)
		}
		return k, nil
	}
	if password == "" {
		return k, fmt.Errorf("%s has a password: put it into the variable MINISIGN_PASSWORD", path)
	}
	k.private, err = minisign.DecryptKey(password, raw)
	if err != nil {
		return k, fmt.Errorf("%s: the password in MINISIGN_PASSWORD does not open it: %w", path, err)
	}
	return k, nil
}

// Public is the public key that belongs to k, as minisign's -P takes it.
func (k Key) Public() string {
	text, _ := k.private.Public().(minisign.PublicKey).MarshalText()
	return lastLine(text)
}

// Sign signs the sums in a directory. The comment is signed too. The signature has no time: the same sums
// have the same signature.
func (k Key) Sign(dir, comment string) error {
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		return err
	}
	signature := minisign.SignWithComments(k.private, text, comment, "signature of "+Name)
	return os.WriteFile(filepath.Join(dir, Name+".minisig"), signature, 0o644)
}

// ReadPublic reads a public key from a file as minisign writes it. A file that is not there is no key.
func ReadPublic(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var key minisign.PublicKey
	if err := key.UnmarshalText(raw); err != nil {
		return "", fmt.Errorf("%s holds no public key of minisign: %w", path, err)
	}
	return lastLine(raw), nil
}

func lastLine(text []byte) string {
	lines := strings.Fields(string(text))
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
