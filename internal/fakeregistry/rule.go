package fakeregistry

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// Match chooses requests.
type Match struct {
	Method string                   // empty: all
	Path   string                   // part of the path; empty: all
	Func   func(*http.Request) bool // nil: all
	First  int                      // the first of the matching requests that is meant, from 1; 0 means 1
	Count  int                      // how many from there on; 0 means all
	Chance float64                  // of being chosen, of those that are meant; 0 means all
}

// A Fault stands between the client and next, which is the honest registry or another fault.
type Fault func(next http.Handler) http.Handler

// Rules break some of the requests on their way to a server. The zero value breaks none. Rules may be used
// concurrently.
type Rules struct {
	// Seed decides what Match.Chance chooses: the n-th request of one method, path and range always meets the
	// same. It must not change once there are rules.
	Seed uint64

	rulesMu sync.Mutex
	rules   []*rule
}

type rule struct {
	match  Match
	fault  Fault
	seen   int
	struck int
	asked  map[string]uint64 // how often each request has been diced for
}

// On makes the chosen requests go through a fault. If several rules choose a request, the one that was added
// first is nearest to the client. Rules come before the check of credentials.
func (r *Rules) On(m Match, f Fault) {
	r.rulesMu.Lock()
	defer r.rulesMu.Unlock()
	r.rules = append(r.rules, &rule{match: m, fault: f})
}

// Heal removes all rules.
func (r *Rules) Heal() {
	r.rulesMu.Lock()
	defer r.rulesMu.Unlock()
	r.rules = nil
}

// Struck counts the requests that each rule has been applied to, in the order of the rules.
func (r *Rules) Struck() []int {
	r.rulesMu.Lock()
	defer r.rulesMu.Unlock()
	var struck []int
	for _, one := range r.rules {
		struck = append(struck, one.struck)
	}
	return struck
}

// Wrap returns a handler that passes requests on to honest, by way of the faults that are meant for them.
func (r *Rules) Wrap(honest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		next := honest
		r.rulesMu.Lock()
		for i := len(r.rules) - 1; i >= 0; i-- {
			if r.rules[i].chooses(req, r.Seed+uint64(i)) {
				r.rules[i].struck++
				next = r.rules[i].fault(next)
			}
		}
		r.rulesMu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (r *rule) chooses(req *http.Request, seed uint64) bool {
	m := r.match
	if m.Method != "" && m.Method != req.Method || !strings.Contains(req.URL.Path, m.Path) ||
		m.Func != nil && !m.Func(req) {
		return false
	}
	r.seen++
	first := max(m.First, 1)
	if r.seen < first || m.Count > 0 && r.seen >= first+m.Count {
		return false
	}
	return m.Chance == 0 || r.dice(req, seed) < m.Chance
}

// dice throws for a request. The result depends on the request, not on what travels beside it.
func (r *rule) dice(req *http.Request, seed uint64) float64 {
	key := req.Method + " " + req.URL.Path + " " + req.Header.Get("Range")
	if r.asked == nil {
		r.asked = map[string]uint64{}
	}
	r.asked[key]++
	var sum uint64
	for _, c := range []byte(key) {
		sum = sum*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, sum+r.asked[key])).Float64()
}
