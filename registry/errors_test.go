package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"drayage/internal/fakeregistry"
)

func TestParseErrorBody(t *testing.T) {
	const webPage = "the answer is a web page"
	for name, tc := range map[string]struct{ contentType, body, code, message string }{
		"specification": {"application/json",
			`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}`,
			"MANIFEST_UNKNOWN", "manifest unknown"},
		"several": {"application/json",
			`{"errors":[{"code":"A","message":"first"},{"code":"B","message":"second"}]}`, "A", "first"},
		"no message": {"application/json", `{"errors":[{"code":"DENIED"}]}`, "DENIED", ""},
		"no errors":  {"application/json", `{"errors":[]}`, "", ""},
		"old hub": {"application/json", `{"details":"incorrect username or password"}`, "",
			"incorrect username or password"},
		"wrong type": {"text/plain", `{"errors":[{"code":"DENIED","message":"no"}]}`, "DENIED", "no"},
		"plain":      {"text/plain", "Too Many Requests (HAP429).\n", "", "Too Many Requests (HAP429)."},
		"web page": {"text/html; charset=utf-8", "<!DOCTYPE html><title>Sign in</title>", "", webPage +
			` ("Sign in")`},
		"page untitled": {"text/html; charset=utf-8", "<!DOCTYPE html><p>Sign in", "", webPage + ","},
		"page hostile":  {"text/html", "<TITLE>\x1b[31ma &amp;\nb</title>", "", webPage + ` ("[31ma & b")`},
		"cut off":       {"application/json", `{"errors":[{"code":"MANI`, "", `{"errors":[{"code":"MANI`},
		"empty":         {"", "", "", ""},
		"null":          {"application/json", "null", "", ""},
		"control": {"text/plain", "\x1b[2J\x1b]0;title\aline 1\r\nline 2\x00\u202e", "",
			"[2J]0;titleline 1 line 2"},
		"control in JSON": {"application/json", `{"errors":[{"code":"A\u001b[31m","message":"b\u0007\nc"}]}`,
			"A[31m", "b c"},
	} {
		t.Run(name, func(t *testing.T) {
			code, message := parseErrorBody(tc.contentType, []byte(tc.body))
			if strings.HasPrefix(tc.message, webPage) {
				if !strings.HasPrefix(message, tc.message) {
					t.Errorf("message %q", message)
				}
				return
			}
			if code != tc.code || message != tc.message {
				t.Errorf("%q, %q; want %q, %q", code, message, tc.code, tc.message)
			}
		})
	}
}

func FuzzParseErrorBody(f *testing.F) {
	f.Add("application/json", []byte(`{"errors":[{"code":"DENIED","message":"no"}]}`))
	f.Add("text/html", []byte("<html>"))
	f.Add("", []byte("\x1b[31mred"))
	f.Add("html", []byte("<title>"+strings.Repeat(`"`, 200)+"</title>"))
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		code, message := parseErrorBody(contentType, raw)
		for _, s := range []string{code, message} {
			// The longest has the title of a web page, whose quotes are escaped.
			if len(s) > 350 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q gives %q", raw, s)
			}
		}
	})
}

func TestErrorKinds(t *testing.T) {
	all := []error{ErrNotFound, ErrDenied, ErrUnavailable, ErrIntegrity}
	for status, want := range map[int]error{
		400: nil, 401: ErrDenied, 403: ErrDenied, 404: ErrNotFound, 405: nil, 407: ErrDenied, 408: ErrUnavailable,
		413: nil, 429: ErrUnavailable, 500: ErrUnavailable, 503: ErrUnavailable,
	} {
		for _, kind := range all {
			if got := errors.Is(&Error{Status: status}, kind); got != (kind == want) {
				t.Errorf("%d is %v: %v", status, kind, got)
			}
		}
	}
}

// The body of an error is read up to a limit, and secrets in the address are not repeated.
func TestErrorOfHugeBody(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Answer(418, strings.Repeat("long ", 1<<20)))
		_, _, err := w.repo("app").Resolve(w.Context(), "1")
		var e *Error
		if !errors.As(err, &e) || e.Status != 418 {
			w.Fatalf("error %v", err)
		}
		if len(e.Message) > 210 {
			w.Errorf("the message has %d bytes", len(e.Message))
		}
		if sent := w.reg.Sent("GET", "/manifests/"); sent > 1<<20 {
			w.Errorf("%d bytes of the body were taken", sent)
		}
	})
}

func TestRedact(t *testing.T) {
	u, err := url.Parse("https://user:secret@cdn.example/blob?X-Amz-Signature=secret#secret")
	if err != nil {
		t.Fatal(err)
	}
	if got := redact(u); got != "https://cdn.example/blob" {
		t.Error(got)
	}
	e := newError(&http.Response{StatusCode: 403, Body: http.NoBody,
		Request: &http.Request{Method: "GET", URL: u}})
	if strings.Contains(e.Error(), "secret") {
		t.Error(e)
	}
}

// What a server sends in place of HTTP stands in the errors of net/http, whatever its length.
func TestNetworkErrorsAreShort(t *testing.T) {
	err := &NetworkError{Host: "a.test", Err: errors.New(strings.Repeat("long ", 1<<18))}
	for what, text := range map[string]string{
		"error":   err.Error(),
		"retry":   (&Retry{Host: "a.test", Cause: err}).String(),
		"request": (&Exchange{Err: err}).Outcome(),
	} {
		if len(text) > 600 || !strings.Contains(text, "long long") {
			t.Errorf("%s: %d bytes: %.80s", what, len(text), text)
		}
	}
}
