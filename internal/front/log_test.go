package front_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drayage/internal/front"
	"drayage/serve"
)

// observed answers as package serve does: it tells of the request, and cuts the answer off if that has to be.
func observed(f **front.Front, e serve.Event) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "bytes")
		e.Request, e.Remote, e.Status = r, r.RemoteAddr, 200
		(*f).Observe(e)
		if e.Cut {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
}

// logged are the lines of an access log.
func logged(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for l := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(l), &entry); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, entry)
	}
	return all
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	var f *front.Front
	f, stop := start(t, front.Options{AccessLog: "-", Stdout: &log}, observed(&f, serve.Event{
		What: serve.WhatBlob, Repository: "docker.io/library/alpine", Reference: "sha256:abc"}))
	url := f.URL() + "/v2/x%1b[31m?ns=docker.io&token=hunter2"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "evil\u009b31m\"agent "+strings.Repeat("x", 10_000))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	all := logged(t, log.String())
	if len(all) != 1 {
		t.Fatalf("%d lines: %s", len(all), log.String())
	}
	want := map[string]any{"method": "GET", "what": "blob", "repository": "docker.io/library/alpine",
		"digest": "sha256:abc", "status": 200.0, "bytes": 5.0, "protocol": "HTTP/1.1"}
	for key, value := range want {
		if all[0][key] != value {
			t.Errorf("%s: %v", key, all[0][key])
		}
	}
	if _, err := time.Parse(time.RFC3339, all[0]["time"].(string)); err != nil {
		t.Error(err)
	}
	if len(log.String()) > 4000 || strings.ContainsAny(log.String(), "\x1b\u009b") ||
		strings.Contains(log.String(), "hunter2") {
		t.Errorf("%s", log.String())
	}
}

// logrotate renames the file and sends a signal.
func TestLogThatIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, stop := start(t, front.Options{AccessLog: path}, http.HandlerFunc(hello))
	get(t, http.DefaultClient, f.URL()+"/v2/first")
	waitFor(t, func() bool { raw, _ := os.ReadFile(path); return len(raw) > 0 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	get(t, http.DefaultClient, f.URL()+"/v2/second")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path + ".1": "/v2/first", path: "/v2/second"} {
		raw, err := os.ReadFile(name)
		if all := logged(t, string(raw)); err != nil || len(all) != 1 || all[0]["path"] != want {
			t.Errorf("%s: %s %v", name, raw, err)
		}
	}
}

// A damaged blob is told once, however many ask for it, and each answer counts.
func TestFaults(t *testing.T) {
	var o told
	var f *front.Front
	fault := errors.New("its digest is \x1b[31mwrong")
	f, _ = start(t, front.Options{Warn: o.say, Metrics: "127.0.0.1:0"}, observed(&f, serve.Event{
		What: serve.WhatBlob, Repository: "a/b", Reference: "sha256:abc", Err: fault, Cut: true}))
	for range 3 {
		if resp, err := http.Get(f.URL() + "/v2/"); err == nil {
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the answer was not cut")
			}
			resp.Body.Close()
		}
	}
	once := strings.Count(o.String(), "blob sha256:abc of a/b: ") == 1
	if !once || strings.Contains(o.String(), "\x1b") {
		t.Errorf("%q", o.String())
	}
	text := get(t, http.DefaultClient, f.MetricsURL())
	for _, want := range []string{"drayage_verification_faults_total 3\n",
		`drayage_http_responses_cut_total{by="fault"} 3`,
		`drayage_http_requests_total{what="blob",status="200"} 3`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// Who goes away is no fault of what is served.
func TestClientsThatGoAway(t *testing.T) {
	var o told
	f, err := front.Listen(t.Context(), front.Options{Addr: "127.0.0.1:0", Warn: o.say})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Observe(serve.Event{What: serve.WhatBlob, Reference: "sha256:abc", Err: context.Canceled, Cut: true})
	if o.String() != "" {
		t.Errorf("%s", o.String())
	}
}

// A fault of the program is told in one line, and the server goes on.
func TestPanic(t *testing.T) {
	var o told
	f, _ := start(t, front.Options{Warn: o.say}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "late") {
			io.WriteString(w, "begun")
		}
		panic("a fault of the program")
	}))
	for _, path := range []string{"/v2/", "/v2/late"} {
		resp, err := http.Get(f.URL() + path)
		if err != nil {
			continue // cut
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if path == "/v2/" && resp.StatusCode != 500 || path != "/v2/" && err == nil {
			t.Errorf("%s: %s %q %v", path, resp.Status, raw, err)
		}
	}
	for l := range strings.Lines(o.String()) {
		if !strings.Contains(l, "a fault of the program") || !strings.Contains(l, "TestPanic") {
			t.Errorf("%q", l)
		}
	}
	if n := strings.Count(o.String(), "\n"); n != 1 {
		t.Errorf("%q", o.String())
	}
}

func TestMetrics(t *testing.T) {
	var f *front.Front
	f, _ = start(t, front.Options{Metrics: "127.0.0.1:0", Version: "1.2.3"},
		observed(&f, serve.Event{What: serve.WhatManifest}))
	get(t, http.DefaultClient, f.URL()+"/v2/")
	get(t, http.DefaultClient, f.URL()+"/healthz")
	f.Reloaded(nil)
	f.Reloaded(errors.New("no"))
	text := get(t, http.DefaultClient, f.MetricsURL())
	for _, want := range []string{
		`drayage_http_requests_total{what="manifest",status="200"} 1`, `{what="health",status="200"} 1`,
		`drayage_http_response_bytes_total{what="manifest"} 5`, `drayage_http_connections 1`,
		`drayage_http_request_duration_seconds_count{what="manifest"} 1`, "drayage_http_requests_in_flight 0",
		`drayage_build_info{version="1.2.3",goversion="go`, `drayage_reloads_total{result="failed"} 1`,
		"drayage_verification_faults_total 0", "process_start_time_seconds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "drayage_tls_certificate_expiry") {
		t.Error("there is no certificate")
	}
}
