package front

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"drayage/internal/htpasswd"
)

// errClient is wrapped by the errors about requests that are wrong themselves.
var errClient = errors.New("refused")

// admit reports whether the request may go on. Otherwise it has been answered.
func (f *Front) admit(w *writer, rec *record) bool {
	users := f.users.Load()
	if users == nil {
		return true
	}
	name, password, given := rec.request.BasicAuth()
	if !given {
		f.askLogin(w, "log in: this registry asks for a user and a password")
		return false
	}
	ok, err := users.Check(rec.request.Context(), name, password)
	if errors.Is(err, htpasswd.ErrBusy) {
		rec.err = fmt.Errorf("%w: %w", errClient, err)
		w.Header().Set("Retry-After", "10")
		problem(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", err.Error())
		return false
	}
	if err != nil { // the client has gone away
		rec.err = err
		return false
	}
	if !ok {
		f.refused.Add(1)
		rec.err = fmt.Errorf("%w: wrong user or password of %q", errClient, name)
		f.askLogin(w, "wrong user or password")
		return false
	}
	rec.user = name
	return true
}

func (f *Front) askLogin(w *writer, why string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="drayage", charset="UTF-8"`)
	problem(w, http.StatusUnauthorized, "UNAUTHORIZED", why)
}

// problem answers as registries do
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).
func problem(w *writer, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, // who asked has gone away
		fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`+"\n", code, message))
}
