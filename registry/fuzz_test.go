package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"drayage/internal/verify"
)

// pathPattern is what may become part of an address.
var pathPattern = regexp.MustCompile(`^[a-z0-9]+([._/-]+[a-z0-9]+)*$`)

// FuzzParseReference checks that what is accepted is read the same from its full form, and is harmless in
// paths and addresses.
func FuzzParseReference(f *testing.F) {
	const sum = "@sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	for _, s := range []string{
		"ghcr.ioa__b/c", "alpine", "docker://alpine:3.20", "localhost:5000/a/b:1" + sum, "[::1]:5000/a", "a" +
			sum, "a@sha256:../../x", "a@md5:" + strings.Repeat("0", 32),
		"../../x:1", "a/../b", "A/b", "a:b:c", "a@b@c", "\x1b[31ma", "a//b", "ghcr.io/a__b/c-.d", "é/a", "a:" +
			strings.Repeat("x", 129), strings.Repeat("a/", 200) + "a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			return
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Fatalf("%q is %+v, whose full form is read as %+v, %v", s, r, again, err)
		}
		if !pathPattern.MatchString(r.Repository) || strings.Contains(r.Repository, "..") || r.Registry == "" ||
			strings.ContainsAny(r.Registry, "/@?# \\%") {
			t.Fatalf("%q is %+v", s, r)
		}
		if r.Digest != "" && verify.Digest(r.Digest) != nil || r.Tag != "" && !validTag(r.Tag) ||
			r.Target() == "" {
			t.Fatalf("%q is %+v", s, r)
		}
	})
}

// FuzzLocation checks that an upload never goes on without encryption that it began with, nor to anything
// but HTTP, nor to this machine.
func FuzzLocation(f *testing.F) {
	for _, l := range []string{
		"/v2/a/blobs/uploads/1?_state=x", "?a=b", "https://registry.example/u", "http://registry.example/u",
		"http://other.example/u", "//other.example/u", "file:///etc/passwd",
		"http://127.0.0.1/u", "https://[::1]/u", "javascript:x", "https://user:word@registry.example/", "\x00",
		"%zz", "https://registry.example:99999/", "",
	} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, l string) {
		for _, base := range []string{"https://registry.example/v2/a/blobs/uploads/",
			"http://registry.example:5000/v2/a/blobs/uploads/"} {
			from, err := url.Parse(base)
			if err != nil {
				t.Fatal(err)
			}
			u, err := resolveLocation(&http.Response{Header: http.Header{"Location": {l}},
				Request: &http.Request{Method: "POST", URL: from}})
			if err != nil {
				continue
			}
			if u.Scheme != "https" && (u.Scheme != "http" || from.Scheme != "http") || isLoopback(u.Host) {
				t.Fatalf("%q leads from %s to %s", l, base, u)
			}
		}
	})
}

// FuzzNextPage checks that a list goes on at the registry that it came from.
func FuzzNextPage(f *testing.F) {
	for _, l := range []string{"/v2/a/tags/list?last=x", "?last=x", "http://registry.example/x",
		"//other.example/", "https://registry.example:443/x", "https://u@registry.example/#f",
		"ftp://registry.example/", "%"} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, l string) {
		from, err := url.Parse("https://registry.example/v2/a/tags/list?n=1000")
		if err != nil {
			t.Fatal(err)
		}
		list := pager{first: &request{url: from}, from: from, base: from, link: l}
		next, err := list.next()
		if err != nil {
			next = list.inPlace()
		}
		if next == nil {
			return
		}
		if next.Scheme != "https" || next.Host != from.Host || next.User != nil || next.Fragment != "" {
			t.Fatalf("%q leads to %s", l, next)
		}
	})
}

// FuzzHeld checks that what a registry says it has of an upload is a size that a blob can have.
func FuzzHeld(f *testing.F) {
	for _, v := range []string{"0-0", "0-1023", "bytes=0-5", "0-9223372036854775807", "0--5", "5-10", "",
		"0-0x5", "0-1,0-2"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		n := parseHeld(v)
		if n < 0 || n > verify.MaxBlobSize {
			t.Fatalf("%q is %d bytes", v, n)
		}
		if n > 1 && parseHeld(fmt.Sprintf("0-%d", n-1)) != n {
			t.Fatalf("%q is %d bytes, which are not read again", v, n)
		}
	})
}

// FuzzParseToken checks that a token can stand in a header, and that it lives neither for no time nor for
// ever.
func FuzzParseToken(f *testing.F) {
	for _, raw := range []string{
		`{"token":"abc","expires_in":300}`, `{"access_token":"abc"}`, `{"token":"a\r\nX-Evil: 1"}`,
		`{"token":"a","expires_in":1e400}`, `{"token":"a","expires_in":-1e300}`,
		`null`, `[]`, `{"token":{}}`, `<html>`, ``,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := parseToken("auth.example", raw)
		if err != nil {
			return
		}
		if tok.value == "" || strings.ContainsFunc(tok.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("the token is %q", tok.value)
		}
		if life := tok.expires.Sub(tok.issued); life < minTokenLife-tokenMargin || life.Seconds() > 1e6 {
			t.Fatalf("the token lives for %s", life)
		}
	})
}

// FuzzParseLimit checks that no limit on pulls is negative.
func FuzzParseLimit(f *testing.F) {
	for _, v := range []string{"100;w=21600", "100", "1, 2", ";w=1", "-1", "5;w=-1", "5;w=99999999999999",
		"5; W = 3 ;x"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if n, window, ok := parseLimit(v); n < 0 || window < 0 || !ok && (n != 0 || window != 0) {
			t.Fatalf("%q is %d in %s, %v", v, n, window, ok)
		}
	})
}

// FuzzValidTag checks the judgement of tags against the pattern in the specification.
func FuzzValidTag(f *testing.F) {
	pattern := regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	for _, tag := range []string{"", "1", "-1", "a.b-c_D", strings.Repeat("a", 129), "ä", "a/b", "a\n"} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		if validTag(tag) != (pattern.MatchString(tag)) {
			t.Errorf("%q is valid: %v", tag, validTag(tag))
		}
	})
}
