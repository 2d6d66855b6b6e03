package fakeregistry

import (
	"net/http"
	"strings"
)

// Match chooses requests.
type Match struct {
	Method string                   // empty: all
	Path   string                   // part of the path; empty: all
	Func   func(*http.Request) bool // nil: all
	First  int                      // the first of the matching requests that is meant, from 1; 0 means 1
	Count  int                      // how many from there on; 0 means all
}

// A Fault stands between the client and next, which is the honest registry or another fault.
type Fault func(next http.Handler) http.Handler

type rule struct {
	match Match
	fault Fault
	seen  int
}

// On makes the chosen requests go through a fault. If several rules choose a request, the one that was added
// first is nearest to the client. Rules come before the check of credentials.
func (r *Registry) On(m Match, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = append(r.rules, &rule{match: m, fault: f})
}

// Heal removes all rules.
func (r *Registry) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = nil
}

func (r *Registry) faulty(honest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		next := honest
		r.mu.Lock()
		for i := len(r.rules) - 1; i >= 0; i-- {
			if r.rules[i].chooses(req) {
				next = r.rules[i].fault(next)
			}
		}
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (r *rule) chooses(req *http.Request) bool {
	m := r.match
	if m.Method != "" && m.Method != req.Method || !strings.Contains(req.URL.Path, m.Path) || m.Func != nil && !m.Func(req) {
		return false
	}
	r.seen++
	first := max(m.First, 1)
	return r.seen >= first && (m.Count == 0 || r.seen < first+m.Count)
}
