package registry

import (
	"net/http"
	"strings"
)

// challenge is one way to authenticate that a server offers
// (https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1). Scheme and parameter names are in lower case.
type challenge struct {
	scheme string
	params map[string]string
}

// parseChallenges reads all WWW-Authenticate headers: any number of headers, each with any number
// of challenges. What cannot be read ends the header it stands in.
func parseChallenges(h http.Header) []challenge {
	var all []challenge
	for _, v := range h.Values("WWW-Authenticate") {
		p := challengeParser{rest: v}
		all = append(all, p.challenges()...)
	}
	return all
}

type challengeParser struct{ rest string }

func (p *challengeParser) challenges() []challenge {
	var all []challenge
	for {
		p.skip(" \t,")
		scheme := p.token()
		if scheme == "" {
			return all
		}
		c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
		p.params(&c)
		all = append(all, c)
	}
}

// params reads name=value pairs until something that is not one: the next scheme, or the end.
func (p *challengeParser) params(c *challenge) {
	for {
		before := p.rest
		p.skip(" \t,")
		name := p.token()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before
			return
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, ok := p.value()
		if !ok {
			p.rest = ""
			return
		}
		if name = strings.ToLower(name); c.params[name] == "" {
			c.params[name] = value
		}
	}
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// token takes the longest token (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
func (p *challengeParser) token() string {
	i := 0
	for i < len(p.rest) && isTokenByte(p.rest[i]) {
		i++
	}
	t := p.rest[:i]
	p.rest = p.rest[i:]
	return t
}

func isTokenByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// value takes a token or a quoted string with its escapes. A bare value may hold more than a token should:
// servers send realms without quotes.
func (p *challengeParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		i := strings.IndexAny(p.rest, " \t,")
		if i < 0 {
			i = len(p.rest)
		}
		v := p.rest[:i]
		p.rest = p.rest[i:]
		return v, true
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
