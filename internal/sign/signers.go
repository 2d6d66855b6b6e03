package sign

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"drayage/internal/limits"
)

// signer is a line of a file with allowed signers: see ALLOWED SIGNERS in ssh-keygen(1).
type signer struct {
	principals    string
	key           ssh.PublicKey
	authority     bool   // it signs certificates and nothing else
	namespaces    string // patterns; empty: all
	after, before time.Time
	line          int
	from          string
}

// parseSigners reads a file with allowed signers. As with ssh-keygen, a line that makes no sense allows
// nobody. A file without a line that does is an error.
func parseSigners(text string) ([]signer, error) {
	var signers []signer
	var first error
	for i, line := range linesOf(text) {
		line = strings.Trim(line, " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if i >= limits.Signers {
			return nil, fmt.Errorf("more than %d lines", limits.Signers)
		}
		s, err := parseSigner(line)
		s.line = i + 1
		if err == nil {
			signers = append(signers, s)
		} else if first == nil {
			first = fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	switch {
	case len(signers) > 0:
		return signers, nil
	case first != nil && strings.HasPrefix(text, "-----BEGIN PUBLIC KEY-----"):
		return nil, errors.New("a public key in PEM, as cosign has it for images: --cosign-key takes that")
	case first != nil:
		return nil, fmt.Errorf("neither a public key of minisign nor a list of allowed signers of ssh: %w", first)
	}
	return nil, errors.New("no key: a public key of minisign or allowed signers of ssh are expected")
}

func parseSigner(line string) (s signer, err error) {
	var rest string
	s.principals, rest, err = principalsOf(line)
	if err != nil {
		return s, err
	}
	if algorithms[s.principals] != nil {
		return s, fmt.Errorf("a key stands alone: write before it who has it, as in \"ann %s AAAA\"", s.principals)
	}
	if !slices.ContainsFunc(strings.Split(s.principals, ","), isPositive) {
		return s, errors.New("its principals are all excluded, so it allows nobody")
	}
	key, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	switch {
	case err != nil:
		return s, errors.New("no public key of ssh follows the principals")
	case len(bytes.TrimSpace(more)) > 0:
		return s, errors.New("more than one key")
	}
	s.key = key
	seen := map[string]bool{}
	for _, option := range options {
		name, value, hasValue := strings.Cut(option, "=")
		name = strings.ToLower(name)
		if seen[name] {
			return s, fmt.Errorf("option %q stands twice", name)
		}
		seen[name] = true
		if err := s.set(name, value, hasValue); err != nil {
			return s, err
		}
	}
	if !s.after.IsZero() && !s.before.IsZero() && !s.before.After(s.after) {
		return s, errors.New("valid-before is not later than valid-after")
	}
	return s, nil
}

// isPositive reports whether a pattern is one that names may fit, and not one that excludes them.
func isPositive(pattern string) bool { return pattern != "" && !strings.HasPrefix(pattern, "!") }

// principalsOf cuts the first word from a line. It may stand in quotes.
func principalsOf(line string) (principals, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		principals, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", "", errors.New("a quote is not closed")
		}
	} else if i := strings.IndexAny(line, " \t"); i >= 0 {
		principals, rest = line[:i], line[i:]
	}
	if principals == "" {
		return "", "", errors.New("principals, options and a public key of ssh are expected")
	}
	return principals, strings.Trim(rest, " \t"), nil
}

// set applies an option.
func (s *signer) set(name, value string, hasValue bool) (err error) {
	if name == "cert-authority" && !hasValue {
		s.authority = true
		return nil
	}
	unquoted, ok := strings.CutPrefix(value, `"`)
	unquoted, closed := strings.CutSuffix(unquoted, `"`)
	unquoted = strings.ReplaceAll(unquoted, `\"`, `"`)
	if !hasValue || !ok || !closed {
		return fmt.Errorf("option %q is not known, or its value is not in quotes", name)
	}
	switch name {
	case "namespaces":
		s.namespaces = unquoted
		if unquoted == "" {
			err = errors.New("no namespace")
		}
	case "valid-after":
		s.after, err = parseTime(unquoted)
	case "valid-before":
		s.before, err = parseTime(unquoted)
	default:
		err = fmt.Errorf("option %q is not known", name)
	}
	return err
}

// parseTime reads a time as ssh-keygen does: of this machine's time zone, or with a Z behind it.
func parseTime(text string) (time.Time, error) {
	zone := time.Local
	digits, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, form := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) == len(form) {
			if t, err := time.ParseInLocation(form, digits, zone); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC",
		text)
}

// allowed finds the first signer that has the key and may sign a set file now, or says why there is none.
func allowed(signers []signer, key ssh.PublicKey, now time.Time) (signer, error) {
	err := errors.New("this key is not among the allowed signers")
	wire := key.Marshal()
	for _, s := range signers {
		if !bytes.Equal(s.key.Marshal(), wire) {
			continue
		}
		switch {
		case s.authority:
			err = fmt.Errorf("%s:%d allows this key to sign certificates only", s.from, s.line)
		case s.namespaces != "" && !matchList(s.namespaces, Namespace):
			err = fmt.Errorf("%s:%d does not allow it in the namespace %s", s.from, s.line, Namespace)
		case !s.after.IsZero() && now.Before(s.after):
			err = fmt.Errorf("%s:%d allows this key only after %s", s.from, s.line, s.after.Format(time.DateTime))
		case !s.before.IsZero() && now.After(s.before):
			err = fmt.Errorf("%s:%d allows this key only before %s", s.from, s.line, s.before.Format(time.DateTime))
		default:
			return s, nil
		}
	}
	return signer{}, err
}

// matchList reports whether a list of patterns has one for a name. Each may begin with an exclamation mark:
// if such a one fits, the list does not.
func matchList(list, name string) (matched bool) {
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, not := strings.CutPrefix(pattern, "!")
		if !match(pattern, name) {
			continue
		}
		if not {
			return false
		}
		matched = true
	}
	return matched
}

// match compares with a pattern that may have * and ?. It takes time in the product of both lengths at most.
func match(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
