package faultreg_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
	"drayage/test/registry3"
	"drayage/test/wire"
)

func TestMain(m *testing.M) {
	// App.Shutdown of distribution 3.1 does not close the broadcaster that every App starts, sinks or none.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/docker/go-events.(*Broadcaster).run"))
}

var content = bytes.Repeat([]byte("0123456789abcdef"), 16<<10)

// each runs a test over both versions of HTTP, against distribution's own handlers with one blob in them.
func each(t *testing.T, test func(t *testing.T, s *faultreg.Server, repo *wire.Repository)) {
	for proto, tls := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			inner, err := registry3.Start(t.Context(), registry3.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(inner.Close)
			s := faultreg.Start(inner.Handler(), tls)
			t.Cleanup(s.Close)
			repo := &wire.Repository{URL: s.URL(), Name: "team/app", Client: s.Client()}
			if err := repo.PutBlob(t.Context(), digest.FromBytes(content), int64(len(content)),
				bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			test(t, s, repo)
			if got := s.Protocols(); len(got) != 1 || got[proto] == 0 {
				t.Errorf("requests by protocol: %v, want %s only", got, proto)
			}
		})
	}
}

// get reads the blob once, and what comes of it.
func get(t *testing.T, s *faultreg.Server, header ...string) (int, []byte, error) {
	t.Helper()
	s.Client().CloseIdleConnections() // net/http repeats what fails on a connection that has been used before
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v2/team/app/blobs/"+
		digest.FromBytes(content).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

func TestWithoutRulesNothingChanges(t *testing.T) {
	each(t, func(t *testing.T, s *faultreg.Server, _ *wire.Repository) {
		for _, span := range []struct {
			header string
			status int
			want   []byte
		}{{"", http.StatusOK, content}, {"bytes=100-199", http.StatusPartialContent, content[100:200]}} {
			status, raw, err := get(t, s, "Range", span.header)
			if status != span.status || !bytes.Equal(raw, span.want) || err != nil {
				t.Errorf("range %q: %d with %d bytes, %v", span.header, status, len(raw), err)
			}
		}
		if sent := s.Sent(http.MethodGet, "/blobs/"); sent != int64(len(content)+100) {
			t.Errorf("the ledger has %d bytes, want %d", sent, len(content)+100)
		}
	})
}

func TestFaults(t *testing.T) {
	half := int64(len(content) / 2)
	whole := func(raw []byte) bool { return bytes.Equal(raw, content) }
	for _, f := range []struct {
		name  string
		fault fakeregistry.Fault
		seen  func(status int, raw []byte, err error) bool
	}{
		{"cut", fakeregistry.Cut(half), func(_ int, raw []byte, err error) bool {
			return err != nil && len(raw) <= len(content)/2
		}},
		{"abort", fakeregistry.Abort(0), func(_ int, _ []byte, err error) bool { return err != nil }},
		{"short", fakeregistry.Short(half), func(_ int, raw []byte, err error) bool {
			return err == nil && len(raw) == len(content)/2
		}},
		{"extra", fakeregistry.Extra("more"), func(_ int, raw []byte, err error) bool {
			return err == nil && len(raw) == len(content)+4
		}},
		{"flip", fakeregistry.FlipByte(half), func(_ int, raw []byte, err error) bool {
			return err == nil && !whole(raw) && len(raw) == len(content)
		}},
		{"status", fakeregistry.Status(503), func(status int, _ []byte, _ error) bool { return status == 503 }},
		{"page", fakeregistry.Page(), func(_ int, raw []byte, _ error) bool {
			return strings.Contains(string(raw), "<html")
		}},
		{"gzip", fakeregistry.Gzip(), func(_ int, raw []byte, err error) bool { return err == nil && !whole(raw) }},
		{"drip", fakeregistry.Drip(100<<10, time.Nanosecond), func(_ int, raw []byte, err error) bool {
			return err == nil && whole(raw)
		}},
		{"ignore range", fakeregistry.IgnoreRange(), func(status int, raw []byte, _ error) bool {
			return status == 200 && whole(raw)
		}},
		{"shift range", fakeregistry.ShiftRange(7), func(_ int, raw []byte, _ error) bool {
			return bytes.Equal(raw, content[8:])
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *faultreg.Server, _ *wire.Repository) {
				s.On(fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/", Count: 1}, f.fault)
				header := []string{"Accept-Encoding", "identity"}
				if strings.Contains(f.name, "range") {
					header = append(header, "Range", "bytes=1-")
				}
				if status, raw, err := get(t, s, header...); !f.seen(status, raw, err) {
					t.Errorf("%d with %d bytes, %v", status, len(raw), err)
				}
				if status, raw, err := get(t, s); status != http.StatusOK || !whole(raw) || err != nil {
					t.Errorf("after the fault: %d with %d bytes, %v", status, len(raw), err)
				}
				if got := s.Struck(); !slices.Equal(got, []int{1}) {
					t.Errorf("the rule struck %v times, want once", got)
				}
			})
		})
	}
}

// The client that has lost patience ends what would never end.
func TestEndlessFaultsEndWithTheClient(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{"endless": fakeregistry.Endless(200, "x"),
		"stall": fakeregistry.Stall(10)} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *faultreg.Server, repo *wire.Repository) {
				s.On(fakeregistry.Match{Method: http.MethodGet}, fault)
				rc, err := repo.Blob(t.Context(), digest.FromBytes(content))
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.ReadFull(rc, make([]byte, 10)); n != 10 || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				rc.Close() // and the server's Close below waits for the handler
			})
		})
	}
}

// The same seed breaks the same requests, another seed others.
func TestChanceFollowsTheSeed(t *testing.T) {
	run := func(seed uint64) string {
		rules := &fakeregistry.Rules{Seed: seed}
		rules.On(fakeregistry.Match{Chance: 0.5}, fakeregistry.Status(503))
		h := rules.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var got strings.Builder
		for range 64 {
			h.ServeHTTP(answer{&got}, &http.Request{Method: "GET", URL: mustParse("/v2/app"), Body: http.NoBody})
			got.WriteByte('.')
		}
		return got.String()
	}
	first := run(1)
	if n := strings.Count(first, "x"); n < 10 || n > 54 {
		t.Errorf("%d of 64 requests were broken, want about half", n)
	}
	if again := run(1); again != first {
		t.Errorf("one seed broke %s and then %s", first, again)
	}
	if other := run(2); other == first {
		t.Error("two seeds break the same requests")
	}
}
