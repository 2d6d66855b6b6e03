// Package sign has the signatures of set files: those of minisign, which drayage makes and checks, and those
// of ssh-keygen -Y sign, which it checks. [ParseKeys] reads the public keys that somebody trusts, and
// [Keys.Check] decides whether one of them has signed a set file.
//
// Signatures and keys of minisign are as in https://jedisct1.github.io/minisign/, so that either program
// reads what the other has written. The package's own code is the format alone: the cryptography is that of
// the standard library and of golang.org/x/crypto. Libraries for the format could not be used: they answer
// yes or no, where a user needs to know what is wrong, and their keys take 1 GiB of memory to open.
package sign

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// Suffixes of the signatures of a file: the names that minisign and ssh-keygen give them.
const (
	MinisignSuffix = ".minisig"
	SSHSuffix      = ".sig"
)

// Signed says who has signed a file.
type Signed struct {
	File     string    // the file that is signed
	By       string    // the key: the key ID of minisign, or a fingerprint of ssh
	Who      string    // the principals of an ssh key in the file with allowed signers; or empty
	Time     time.Time // of the signature, as the signer's clock had it; zero: the signature has none
	Comment  string    // the trusted comment, which is signed too. It may hold anything but line ends.
	KeyFile  string    // where the trusted key stands
	Filename string    // of the signature
}

// Remark is the trusted comment if it says more than when the set file was signed.
func (s *Signed) Remark() string {
	rest, hasTime := strings.CutPrefix(s.Comment, fmt.Sprintf("timestamp:%d\tfile:", s.Time.Unix()))
	if hasTime && strings.TrimSuffix(rest, "\thashed") == filepath.Base(s.File) {
		return ""
	}
	return s.Comment
}

// failf is an error about a signature that does not hold. It matches the error for bytes that are not what
// they should be.
func failf(format string, args ...any) error { return kind.Errorf(verify.ErrMismatch, format, args...) }

// readSignature reads a signature. What is no regular file is none: a pipe would never end.
func readSignature(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err == nil && !fi.Mode().IsRegular() {
		err = failf("%s is no regular file", path)
	}
	if err != nil {
		return nil, err
	}
	return read(path, limits.Signature)
}

// read reads a small file whole.
func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: larger than %d KiB, so it is something else", path, limit>>10)
	}
	return data, err
}

// Beside is the name of a signature that stands beside a set file, or empty.
func Beside(file string) string {
	for _, suffix := range []string{MinisignSuffix, SSHSuffix} {
		if fi, err := os.Stat(file + suffix); err == nil && fi.Mode().IsRegular() {
			return filepath.Base(file + suffix)
		}
	}
	return ""
}

// Check decides whether one of the keys has signed what a set file holds. The signature stands beside the
// file, and its error says what is wrong with it. A signature of minisign is looked for if there is a key of
// minisign, one of ssh if there are allowed signers.
func (k *Keys) Check(file string, content []byte) (*Signed, error) {
	var missing []string
	var first error
	for _, c := range []struct {
		suffix string
		wanted bool
		check  func(signature, content []byte, name string) (*Signed, error)
	}{
		{MinisignSuffix, len(k.minisign) > 0, k.checkMinisign},
		{SSHSuffix, len(k.signers) > 0, k.checkSSH},
	} {
		name := file + c.suffix
		if !c.wanted {
			continue
		}
		signature, err := readSignature(name)
		if errors.Is(err, os.ErrNotExist) {
			missing = append(missing, filepath.Base(name))
			continue
		}
		if int64(len(signature)) > limits.Signature {
			err = failf("%v", err) // it is there, and it is none
		}
		var s *Signed
		if err == nil {
			s, err = c.check(signature, content, name)
		}
		if err == nil {
			s.File, s.Filename = file, name
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return nil, first
	}
	return nil, k.unsigned(file, missing)
}
