package registry

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// challenge is one way to authenticate that a server offers
// (https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1). Scheme and parameter names are in lower case.
type challenge struct {
	scheme string
	params map[string]string
}

func (c challenge) namesTokenServer() bool { return c.scheme == "bearer" && c.params["realm"] != "" }

func (c challenge) isBasic() bool { return c.scheme == "basic" }

// parseChallenges reads all challenges of all WWW-Authenticate headers. What cannot be read ends the header
// that it stands in.
func parseChallenges(h http.Header) []challenge {
	var all []challenge
	for _, v := range h.Values("WWW-Authenticate") {
		s := scanner{rest: v}
		for {
			s.skip(" \t,")
			scheme := s.token()
			if scheme == "" {
				break
			}
			c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
			s.params(&c)
			all = append(all, c)
		}
	}
	return all
}

// params reads name=value pairs until something that is not one: the next scheme, or the end.
func (s *scanner) params(c *challenge) {
	for {
		before := s.rest
		s.skip(" \t,")
		name := strings.ToLower(s.token())
		s.skip(" \t")
		if name == "" || !s.cut("=") {
			s.rest = before
			return
		}
		s.skip(" \t")
		value, ok := s.value(" \t,")
		if !ok {
			s.rest = ""
			return
		}
		if c.params[name] == "" {
			c.params[name] = value
		}
	}
}

// nextLink returns the target of the link with the relation next
// (https://www.rfc-editor.org/rfc/rfc8288#section-3), or nothing. What cannot be read ends the header that it
// stands in.
func nextLink(headers []string) string {
	for _, h := range headers {
		s := scanner{rest: h}
		for {
			target, relations, ok := s.link()
			if !ok {
				break
			}
			for _, r := range strings.Fields(relations) {
				if strings.EqualFold(r, "next") && target != "" {
					return target
				}
			}
		}
	}
	return ""
}

// link reads one <target>; name=value; name="value". The brackets may be missing.
func (s *scanner) link() (target, relations string, ok bool) {
	s.skip(" \t,")
	if s.cut("<") {
		if target, s.rest, ok = strings.Cut(s.rest, ">"); !ok {
			return "", "", false
		}
	} else if target = s.until("; \t"); target == "" || strings.ContainsAny(target, "<>\"") {
		return "", "", false
	}
	seen := false
	for s.skip(" \t"); strings.HasPrefix(s.rest, ";"); s.skip(" \t") {
		s.skip("; \t")
		name, value := s.until("=;, \t"), ""
		if s.skip(" \t"); s.cut("=") {
			s.skip(" \t")
			if value, ok = s.value(";, \t"); !ok {
				return "", "", false
			}
		}
		if !seen && strings.EqualFold(name, "rel") { // of several only the first counts
			relations, seen = value, true
		}
	}
	return target, relations, s.rest == "" || s.rest[0] == ','
}

type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) cut(prefix string) (found bool) {
	s.rest, found = strings.CutPrefix(s.rest, prefix)
	return found
}

// until takes what comes before the first byte of set.
func (s *scanner) until(set string) string {
	return s.untilFunc(func(r rune) bool { return strings.ContainsRune(set, r) })
}

// token takes the longest token (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
func (s *scanner) token() string {
	return s.untilFunc(func(r rune) bool { return !httpguts.IsTokenRune(r) })
}

func (s *scanner) untilFunc(ends func(rune) bool) string {
	i := strings.IndexFunc(s.rest, ends)
	if i < 0 {
		i = len(s.rest)
	}
	taken := s.rest[:i]
	s.rest = s.rest[i:]
	return taken
}

// value takes a quoted string with its escapes, or what comes before the first byte of set. That may be more
// than a token: servers send realms without quotes.
func (s *scanner) value(set string) (string, bool) {
	if !s.cut(`"`) {
		return s.until(set), true
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
