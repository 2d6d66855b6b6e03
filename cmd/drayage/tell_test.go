package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/internal/tell"
)

// served is a registry with the images of fill, at an address.
func served(t *testing.T) (*fakeregistry.Registry, string) {
	t.Helper()
	r := fakeregistry.New()
	fill(r)
	return r, serveFake(t, r)
}

// serveFake returns the address of a registry.
func serveFake(t *testing.T, r *fakeregistry.Registry) string {
	t.Helper()
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// drayage runs a command line and returns its exit code and what it wrote to standard error.
func drayage(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(append([]string{"drayage"}, args...), os.Stdin, &stdout, &stderr)
	return code, stderr.String()
}

// lines reads what --log-format json gives. Every line has to be an object.
func lines(t *testing.T, text string) (all []tell.Line) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l tell.Line
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		err := dec.Decode(&l)
		if err != nil || l.Time.IsZero() || l.Event == "" || l.Level == "" || l.Message == "" {
			t.Fatalf("no line: %v: %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

func TestRetriesAreSaid(t *testing.T) {
	r, at := served(t)
	r.On(fakeregistry.Match{Path: "/solo/manifests/", Count: 1}, fakeregistry.Status(503))
	code, text := drayage(t, "inspect", at+"/solo:1", "--platform", "linux/amd64")
	if want := "retry 1 of 5 in 0."; code != 0 || !strings.HasPrefix(text, want) ||
		!strings.Contains(text, ": 503 Service Unavailable from "+at+"\n") {
		t.Errorf("exit code %d: %s", code, text)
	}
	r.On(fakeregistry.Match{Path: "/solo/manifests/", Count: 1}, fakeregistry.Status(503))
	if code, text := drayage(t, "inspect", at+"/solo:1", "-q", "-v"); code != 0 || text != "" {
		t.Errorf("quiet: exit code %d: %s", code, text)
	}
}

func TestVerboseShowsRequests(t *testing.T) {
	r, at := served(t)
	r.RequireBasic("ann", "secretpw")
	code, text := drayage(t, "inspect", at+"/solo:1", "--creds", "ann:secretpw", "-v")
	if code != 0 || strings.Contains(text, "secretpw") {
		t.Errorf("exit code %d: %s", code, text)
	}
	for _, want := range []string{
		"GET http://" + at + "/v2/solo/manifests/1: 401 Unauthorized, ",
		"GET http://" + at + "/v2/solo/manifests/1: 200 OK, ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	code, text = drayage(t, "inspect", at+"/solo:1", "--creds", "ann:secretpw", "-v", "--log-format", "json")
	requests := 0
	for _, l := range lines(t, text) {
		if l.Event == "request" {
			requests++
			if l.Method == "" || l.Status == 0 || !strings.HasPrefix(l.URL, "http://"+at+"/v2/") || l.Attempt != 1 {
				t.Errorf("%+v", l)
			}
		}
	}
	if code != 0 || requests < 3 {
		t.Errorf("exit code %d, %d requests", code, requests)
	}
}

// The error at the end is in the format that was asked for, whatever is wrong with the command line.
func TestErrorsAreLinesToo(t *testing.T) {
	_, at := served(t)
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"inspect", at + "/absent:1", "--log-format", "json"}, 3, "not-found"},
		{[]string{"inspect", "--log-format=json"}, 2, "usage"},
		{[]string{"inspect", "--nosuchflag", "--log-format=json", "x"}, 2, "usage"},
		{[]string{"nosuchcommand", "--log-format=json", "x"}, 2, "usage"},
		{[]string{"fetch", at + "/solo:1", "--platfrom", "x", "--log-format", "json"}, 2, "usage"},
	} {
		code, text := drayage(t, c.args...)
		all := lines(t, text)
		if len(all) == 0 {
			t.Fatalf("%q: nothing", c.args)
		}
		last := all[len(all)-1]
		if code != c.code || last.Level != tell.Error || last.ExitCode != c.code || last.Code != c.word {
			t.Errorf("%q: exit code %d, %+v", c.args, code, last)
		}
	}
	code, text := drayage(t, "inspect", "x", "--log-format", "xml")
	if code != 2 || !strings.Contains(text, "text and json") {
		t.Errorf("%d: %s", code, text)
	}
}
