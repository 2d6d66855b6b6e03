//go:build linux

package bench

import (
	"crypto/sha256"
	"hash"
	"net/http"
	"time"
)

// hashFirst is the slowness of a registry that hashes the whole blob before each GET, even of a range.
const hashFirst = "hash"

// slowly makes a registry begin its answers to GETs of blobs late: after a duration, or [hashFirst].
func slowly(how string, next http.Handler) (http.Handler, error) {
	late := func(w http.ResponseWriter, r *http.Request) error { return hashWhole(next, r) }
	if how != hashFirst {
		after, err := time.ParseDuration(how)
		if err != nil {
			return nil, err
		}
		late = func(_ http.ResponseWriter, r *http.Request) error { return wait(r.Context(), after) }
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asksForBlob(r.Method, r.URL.Path) && late(w, r) != nil {
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// hashWhole asks the registry for the whole blob.
func hashWhole(next http.Handler, r *http.Request) error {
	whole := r.Clone(r.Context())
	whole.Header.Del("Range")
	next.ServeHTTP(&hashingWriter{sha256.New(), http.Header{}}, whole)
	return r.Context().Err()
}

// hashingWriter is a response that is hashed and sent nowhere.
type hashingWriter struct {
	hash.Hash
	header http.Header
}

func (w *hashingWriter) Header() http.Header { return w.header }
func (w *hashingWriter) WriteHeader(int)     {}
