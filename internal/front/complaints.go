package front

import (
	"log"
	"net"
	"strings"
	"sync"

	"drayage/internal/terminal"
	"drayage/serve"
)

// maxSaid bounds what is remembered as said. When it is full, things may be said again.
const maxSaid = 10_000

// said remembers what people have been told, so that they are told once.
type said struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

// first reports whether key is new.
func (s *said) first(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.keys[key]; known {
		return false
	}
	if s.keys == nil || len(s.keys) >= maxSaid {
		s.keys = map[string]struct{}{}
	}
	s.keys[key] = struct{}{}
	return true
}

// sayFault tells of a blob or manifest that is not what it should be, once.
func (f *Front) sayFault(e *serve.Event) {
	why := terminal.Escape(e.Err.Error(), maxField)
	if !f.said.first(string(e.What) + " " + e.Reference + " " + why) {
		return
	}
	end := "it was not sent"
	if e.Cut {
		end = "the connection was cut"
	}
	f.warn("%s %s of %s: %s; %s (asked by %s)", e.What, terminal.Escape(e.Reference, maxField),
		terminal.Escape(e.Repository, maxField), why, end, e.Remote)
}

// complaints is where net/http's server says what clients do wrong. It takes nothing but this type.
func (f *Front) complaints() *log.Logger { return log.New(complaint{f}, "", 0) }

type complaint struct{ *Front }

// Write takes one line. Only failed handshakes matter: mostly an engine does not trust the certificate.
func (c complaint) Write(raw []byte) (int, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), "http: TLS handshake error from ")
	if !ok {
		return len(raw), nil
	}
	c.lost.Add(1)
	remote, why, _ := strings.Cut(rest, ": ")
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return len(raw), nil
	}
	switch {
	case strings.Contains(why, "certificate"): // it is what an alert of the client is about
		if c.said.first("trust " + host) {
			c.note("%s does not trust the certificate of this server (%s)", host, terminal.Escape(why, maxField))
		}
	case strings.Contains(why, "HTTP request to an HTTPS server"):
		if c.said.first("http " + host) {
			c.note("%s asks by http, and this server speaks https", host)
		}
	}
	return len(raw), nil
}
