package hostconfig

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The types of this file read the values of hosts.toml that may be written in several ways, and those that are
// strings with a grammar. The TOML decoder puts file position and key before their errors.

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*o = oneOrMore{v}
		return nil
	case []any:
		for _, element := range v {
			s, ok := element.(string)
			if !ok {
				return errors.New("a list of strings is wanted")
			}
			*o = append(*o, s)
		}
		return nil
	}
	return errors.New("a string or a list of strings is wanted")
}

// clientPairs are files of certificate and key; the latter is empty if the first file holds both.
type clientPairs [][2]string

func (c *clientPairs) UnmarshalTOML(v any) error {
	if s, ok := v.(string); ok {
		*c = clientPairs{{s, ""}}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return errors.New("a string, a list of strings or a list of pairs is wanted")
	}
	for _, element := range list {
		var pair oneOrMore
		if err := pair.UnmarshalTOML(element); err != nil {
			return err
		}
		if _, isList := element.([]any); isList && len(pair) != 2 {
			return fmt.Errorf("a pair is a certificate and a key, this list has a length of %d", len(pair))
		}
		*c = append(*c, [2]string(append(pair, "")[:2]))
	}
	return nil
}

// headerTable is a header. Its errors never show a value, which may be a password.
type headerTable http.Header

func (h *headerTable) UnmarshalTOML(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return errors.New("a table is wanted")
	}
	header := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		var values oneOrMore
		if err := values.UnmarshalTOML(table[name]); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if !isToken(name) {
			return fmt.Errorf("%q cannot be the name of a header", name)
		}
		for _, s := range values {
			if strings.ContainsFunc(s, isControl) {
				return fmt.Errorf("%q: its value has a control character", name)
			}
			header.Add(name, s)
		}
	}
	*h = headerTable(header)
	return nil
}

// isToken reports whether s has only characters of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// positive is a duration as Go writes it: 500ms, 5s.
type positive time.Duration

func (p *positive) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return errors.New(`a string such as "5s" is wanted`)
	}
	if s == "" {
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf(`%q is not a duration such as "5s"`, s)
	}
	*p = positive(d)
	return nil
}

// proxyAddress is the URL of a proxy.
type proxyAddress struct{ url *url.URL }

func (p *proxyAddress) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return errors.New("a string is wanted")
	}
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("it is not a URL") // the error of net/url shows passwords
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return fmt.Errorf("scheme %q: a proxy has http, https, socks5 or socks5h", u.Scheme)
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("a proxy is a scheme, a host and a port")
	}
	p.url = u
	return nil
}
