package fakeregistry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// call sends one request and returns the answer with its body read as far as it goes.
func call(t *testing.T, method, url, body string, header ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), err
}

func serve(t *testing.T) (*Registry, string) {
	t.Helper()
	reg := New()
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	return reg, server.URL
}

func TestUpload(t *testing.T) {
	reg, base := serve(t)
	content := "content"
	d := digest.FromString(content)
	begun, _, _ := call(t, "POST", base+"/v2/team/app/blobs/uploads/", "")
	first := base + begun.Header.Get("Location")
	patched, _, _ := call(t, "PATCH", first, content[:3])
	if begun.StatusCode != 202 || patched.StatusCode != 202 {
		t.Fatalf("POST %d, PATCH %d, want 202", begun.StatusCode, patched.StatusCode)
	}
	if stale, _, _ := call(t, "PATCH", first, "again"); stale.StatusCode != 416 {
		t.Errorf("PATCH with the old state: %d, want 416", stale.StatusCode)
	}
	last := base + patched.Header.Get("Location") + "&digest="
	if wrong, _, _ := call(t, "PUT", last+d.String(), "CONTENT"); wrong.StatusCode != 400 {
		t.Errorf("PUT of something else: %d, want 400", wrong.StatusCode)
	}
	begun, _, _ = call(t, "POST", base+"/v2/team/app/blobs/uploads/", "")
	if put, _, _ := call(t, "PUT", base+begun.Header.Get("Location")+"&digest="+d.String(),
		content); put.StatusCode != 201 {
		t.Errorf("PUT: %d, want 201", put.StatusCode)
	}
	if got := reg.Blob("team/app", d); string(got) != content {
		t.Errorf("stored %q", got)
	}
	mounted, _, _ := call(t, "POST", base+"/v2/other/blobs/uploads/?mount="+d.String()+"&from=team/app", "")
	if mounted.StatusCode != 201 || reg.Blob("other", d) == nil {
		t.Errorf("mount: %d, want 201", mounted.StatusCode)
	}
}

func TestTagPages(t *testing.T) {
	reg, base := serve(t)
	for i := range 5 {
		reg.PutImage("app", fmt.Sprintf("v%d", i), Image{})
	}
	var all []string
	for next := "/v2/app/tags/list?n=2"; next != ""; {
		resp, body, err := call(t, "GET", base+next, "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimSpace(body))
		link, _, _ := strings.Cut(resp.Header.Get("Link"), ">")
		next = strings.TrimPrefix(link, "<")
	}
	want := `{"name":"app","tags":["v0","v1"]} {"name":"app","tags":["v2","v3"]} {"name":"app","tags":["v4"]}`
	if got := strings.Join(all, " "); got != want {
		t.Errorf("pages %s\nwant  %s", got, want)
	}
}

func TestFaults(t *testing.T) {
	const content = "0123456789"
	for name, tc := range map[string]struct {
		fault  Fault
		ranged string
		status int
		body   string
		broken bool
	}{
		"none":         {status: 200, body: content},
		"range":        {status: 206, body: "56789", ranged: "bytes=5-"},
		"status":       {fault: Status(503, "Retry-After", "1"), status: 503},
		"cut":          {fault: Cut(4), status: 200, body: "0123", broken: true},
		"cut at once":  {fault: Cut(0), status: 200, broken: true},
		"flip":         {fault: FlipByte(1), status: 200, body: "0\x1123456789"},
		"short":        {fault: Short(3), status: 200, body: "012"},
		"extra":        {fault: Extra("more"), status: 200, body: content + "more"},
		"ignore range": {fault: IgnoreRange(), status: 200, body: content, ranged: "bytes=5-"},
		"shift range":  {fault: ShiftRange(1), status: 206, body: "6789", ranged: "bytes=5-"},
		"redirect":     {fault: Redirect(307, "http://other.test:1"), status: 307},
	} {
		t.Run(name, func(t *testing.T) {
			reg, base := serve(t)
			d := reg.PutBlob("app", []byte(content))
			if tc.fault != nil {
				reg.On(Match{Path: "/blobs/", Count: 1}, tc.fault)
			}
			header := []string{"Range", tc.ranged}
			if tc.ranged == "" {
				header = nil
			}
			resp, body, err := call(t, "GET", base+"/v2/app/blobs/"+d.Digest.String(), "", header...)
			if resp == nil {
				if !tc.broken {
					t.Fatal(err)
				}
				return // the reset overtook the header
			}
			if resp.StatusCode != tc.status || !strings.HasPrefix(tc.body, body) || (err != nil) != tc.broken ||
				!tc.broken && body != tc.body {
				t.Errorf("%d %q %v, want %d %q", resp.StatusCode, body, err, tc.status, tc.body)
			}
			entries := reg.Requests("GET", "/blobs/")
			if len(entries) != 1 || entries[0].Status != tc.status || entries[0].Sent != int64(len(tc.body)) ||
				entries[0].Range() != tc.ranged {
				t.Errorf("ledger: %+v", entries)
			}
			if _, body, _ := call(t, "GET", base+"/v2/app/blobs/"+d.Digest.String(), ""); body != content {
				t.Errorf("the second request got %q", body)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	reg, base := serve(t)
	tokens := &Tokens{Users: map[string]string{"me": "secret"}, Forbid: []string{"private"}}
	reg.RequireToken(tokens, "http://token.test/token")
	d := reg.PutBlob("app", bytes.Repeat([]byte("x"), 10))
	url := base + "/v2/app/blobs/" + d.Digest.String()
	resp, _, _ := call(t, "GET", url, "")
	want := `Bearer realm="http://token.test/token",service="fake",scope="repository:app:pull"`
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || got != want {
		t.Fatalf("%d %s, want 401 %s", resp.StatusCode, got, want)
	}
	pull := tokens.issue([]string{"repository:app:pull"})
	if resp, _, _ := call(t, "GET", url, "", "Authorization", "Bearer "+pull); resp.StatusCode != 200 {
		t.Errorf("with a token: %d", resp.StatusCode)
	}
	if resp, _, _ := call(t, "POST", base+"/v2/app/blobs/uploads/", "", "Authorization",
		"Bearer "+pull); resp.StatusCode != 401 {
		t.Errorf("push with a token for pull: %d", resp.StatusCode)
	}
	tokens.Revoke()
	if resp, _, _ := call(t, "GET", url, "", "Authorization", "Bearer "+pull); resp.StatusCode != 401 {
		t.Errorf("with a revoked token: %d", resp.StatusCode)
	}
	server := httptest.NewServer(tokens)
	defer server.Close()
	for query, status := range map[string]int{"?scope=repository:app:pull": 200,
		"?scope=repository:app:pull&scope=repository:private:pull": 401} {
		req, _ := http.NewRequest("GET", server.URL+query, nil)
		req.SetBasicAuth("me", "secret")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d, want %d", query, resp.StatusCode, status)
		}
	}
}
