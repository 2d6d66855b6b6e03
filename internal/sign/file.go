package sign

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// ReadSecretKey reads a file with a secret key of minisign, which drayage or minisign has made.
func ReadSecretKey(path string) (*Encrypted, error) {
	data, err := read(path, limits.KeyFile)
	if err != nil {
		return nil, err
	}
	text := string(plaintext.UTF8(data))
	e, err := ParseSecretKey(text)
	if err == nil {
		return e, nil
	}
	if _, publicErr := ParsePublicKey(text); publicErr == nil {
		return nil, fmt.Errorf("%s is a public key: the secret key signs", path)
	}
	if strings.Contains(text, "PRIVATE KEY-----") || strings.HasPrefix(text, "ssh-") {
		return nil, fmt.Errorf("%s is a key of ssh: sign the set file with ssh-keygen -Y sign -n %s -f %s",
			path, Namespace, path)
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}

// File signs a file that holds content. The signature appears beside it, whole, in the place of an earlier
// one.
func (k *SecretKey) File(path string, content []byte, at time.Time) (*Signed, error) {
	s := k.Sign(content, filepath.Base(path), at)
	err := durable.ReplaceFile(path+MinisignSuffix, s.Encode())
	return &Signed{File: path, By: k.ID.String(), Time: s.Time(), Comment: s.Comment,
		Filename: path + MinisignSuffix}, err
}

// Now is the time for a signature: that of SOURCE_DATE_EPOCH if it is set
// (https://reproducible-builds.org/specs/source-date-epoch/).
func Now(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now(), nil
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || n < 0 || n > latest {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, which is no number of seconds", epoch)
	}
	return time.Unix(n, 0), nil
}
