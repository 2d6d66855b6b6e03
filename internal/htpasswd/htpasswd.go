// Package htpasswd reads files of users and bcrypt hashes, as "htpasswd -B" writes them, and says who knows
// his password. [Parse] reads one, and [Users.Check] asks it.
package htpasswd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// Users are the users of a file. They do not change.
type Users struct {
	hashes   map[string][]byte
	stranger []byte // what the password of an unknown user is compared with, so that it takes the same time
	memory   *memory
	turns    *turns
}

// ErrEmpty is the error about a file without any user.
var ErrEmpty = errors.New("it names no user: htpasswd -B -c FILE USER makes one")

// Parse reads the content of a file. Its errors say which line is wrong and never what stands there behind
// the user's name.
func Parse(raw []byte) (*Users, error) {
	if len(raw) > limits.Htpasswd {
		return nil, fmt.Errorf("it has more than %d bytes", limits.Htpasswd)
	}
	u := &Users{hashes: map[string][]byte{}, memory: newMemory(), turns: newTurns()}
	most, number := bcrypt.MinCost, 0
	for line := range bytes.Lines(plaintext.UTF8(raw)) {
		number++
		name, hash, err := entry(string(bytes.TrimSpace(line)))
		if err == nil && name == "" {
			continue
		}
		if err == nil && u.hashes[name] != nil {
			err = fmt.Errorf("%q stands there twice", name)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		cost, _ := bcrypt.Cost(hash)
		most = max(most, cost)
		u.hashes[name] = hash
	}
	if len(u.hashes) == 0 {
		return nil, ErrEmpty
	}
	u.stranger = fmt.Appendf(nil, "$2a$%02d$%s", most, strings.Repeat("drayage.", 7)[:53])
	return u, nil
}

// Len is the number of users.
func (u *Users) Len() int { return len(u.hashes) }

// entry reads a line. It returns nothing for one without a user.
func entry(line string) (name string, hash []byte, err error) {
	if line == "" || strings.HasPrefix(line, "#") {
		return "", nil, nil
	}
	name, text, ok := strings.Cut(line, ":")
	switch {
	case len(line) > limits.HtpasswdLine:
		return "", nil, fmt.Errorf("it has more than %d bytes", limits.HtpasswdLine)
	case !ok || name == "":
		return "", nil, errors.New("it is not USER:HASH")
	case !utf8.ValidString(name):
		return "", nil, fmt.Errorf("%q is not in UTF-8", name)
	}
	if other := otherHash(text); other != "" {
		return "", nil, fmt.Errorf("%q has %s, and only bcrypt is taken: htpasswd -B makes that", name, other)
	}
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != 60 {
		return "", nil, fmt.Errorf("%q has a bcrypt hash that is damaged", name)
	}
	if cost > limits.BcryptCost {
		return "", nil, fmt.Errorf("%q has a hash of cost %d, and %d is the most: htpasswd -B -C 10 makes another",
			name, cost, limits.BcryptCost)
	}
	return name, []byte(text), nil
}

// otherHash names the kind of a hash that is not bcrypt's.
func otherHash(text string) string {
	for _, k := range []struct{ prefix, name string }{
		{"$2a$", ""}, {"$2b$", ""}, {"$2y$", ""}, {"$apr1$", "an MD5 hash"}, {"$1$", "an MD5 hash"},
		{"{SHA}", "a SHA-1 hash"}, {"$5$", "a SHA-256 hash"}, {"$6$", "a SHA-512 hash"},
		{"$y$", "a yescrypt hash"}, {"$argon2", "an Argon2 hash"},
	} {
		if strings.HasPrefix(text, k.prefix) {
			return k.name
		}
	}
	return "a plain password or a crypt hash"
}
