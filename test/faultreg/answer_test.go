package faultreg_test

import (
	"net/http"
	"net/url"
	"strings"
)

// answer writes an x where a request is refused.
type answer struct{ out *strings.Builder }

func (a answer) Header() http.Header         { return http.Header{} }
func (a answer) Write(p []byte) (int, error) { return len(p), nil }
func (a answer) WriteHeader(int)             { a.out.WriteByte('x') }

func mustParse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}
