package registry

import "strings"

// nextLink finds the target of the link whose relation is next in the Link headers of an answer
// (https://www.rfc-editor.org/rfc/rfc8288#section-3), or is empty. What cannot be read ends the header it stands in.
func nextLink(headers []string) string {
	for _, h := range headers {
		p := linkParser{rest: h}
		for {
			target, relations, ok := p.link()
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

type linkParser struct{ rest string }

// link reads one <target>; name=value; name="value".
func (p *linkParser) link() (target, relations string, ok bool) {
	p.skip(" \t,")
	target, after, found := strings.Cut(p.rest, ">")
	if !found || !strings.HasPrefix(target, "<") {
		return "", "", false
	}
	p.rest = after
	seen := false
	for p.skip(" \t"); strings.HasPrefix(p.rest, ";"); p.skip(" \t") {
		p.skip("; \t")
		name, value, ok := p.param()
		if !ok {
			return "", "", false
		}
		if !seen && strings.EqualFold(name, "rel") { // of several only the first counts
			relations, seen = value, true
		}
	}
	return target[1:], relations, p.rest == "" || p.rest[0] == ','
}

func (p *linkParser) param() (name, value string, ok bool) {
	name = p.until("=;, \t")
	if p.skip(" \t"); !strings.HasPrefix(p.rest, "=") {
		return name, "", true
	}
	p.rest = p.rest[1:]
	if p.skip(" \t"); !strings.HasPrefix(p.rest, `"`) {
		return name, p.until(";, \t"), true
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return name, b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func (p *linkParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// until takes what comes before the first byte of set.
func (p *linkParser) until(set string) string {
	i := strings.IndexAny(p.rest, set)
	if i < 0 {
		i = len(p.rest)
	}
	taken := p.rest[:i]
	p.rest = p.rest[i:]
	return taken
}
