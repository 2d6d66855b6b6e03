package front_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"drayage/internal/front"
)

// get reads what is at an address. The answer has to be 200.
func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(raw)
}

// as asks with a user and a password, and returns the status.
func as(t *testing.T, url, user, password string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 400 && !json.Valid(raw) {
		t.Errorf("%q is no answer of a registry", raw)
	}
	return resp.StatusCode, resp.Header
}

func users(t *testing.T, path string, list ...string) {
	t.Helper()
	var b bytes.Buffer
	for i := 0; i < len(list); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(list[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(list[i] + ":" + string(hash) + "\n")
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "htpasswd")
	users(t, path, "ann", "s3cret")
	var log bytes.Buffer
	f, stop := start(t, front.Options{Htpasswd: path, AccessLog: "-", Stdout: &log}, http.HandlerFunc(hello))
	status, header := as(t, f.URL()+"/v2/", "", "")
	if status != 401 || !strings.HasPrefix(header.Get("WWW-Authenticate"), `Basic realm="`) {
		t.Errorf("%d %v", status, header)
	}
	get(t, http.DefaultClient, f.URL()+"/healthz") // asks nobody
	for _, c := range []struct {
		user, password string
		status         int
	}{{"ann", "s3cret", 200}, {"ann", "wr0ng", 401}, {"bob", "s3cret", 401}} {
		if status, _ := as(t, f.URL()+"/v2/", c.user, c.password); status != c.status {
			t.Errorf("%s: %d", c.user, status)
		}
	}
	users(t, path, "bob", "other1")
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]int{"ann": 401, "bob": 200} {
		password := map[string]string{"ann": "s3cret", "bob": "other1"}[user]
		if status, _ := as(t, f.URL()+"/v2/", user, password); status != want {
			t.Errorf("%s after a reload: %d", user, status)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", "wr0ng", "other1", "Basic"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %s:\n%s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), `"user":"ann"`) || strings.Count(log.String(), `"user"`) != 2 {
		t.Errorf("%s", log.String())
	}
}

// An engine asks for many layers at once, each time with its password.
func TestManyWithOnePassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "htpasswd")
	users(t, path, "ann", "s3cret")
	var served atomic.Int64
	f, _ := start(t, front.Options{Htpasswd: path}, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { served.Add(1) }))
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if status, _ := as(t, f.URL()+"/v2/", "ann", "s3cret"); status != 200 {
				t.Errorf("%d", status)
			}
		})
	}
	all.Wait()
	if served.Load() != 64 {
		t.Errorf("%d", served.Load())
	}
}

// Beyond this machine, passwords without TLS deserve a word.
func TestWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "htpasswd")
	users(t, path, "ann", "s3cret")
	var o told
	f, err := front.Listen(t.Context(), front.Options{Addr: ":0", PlainHTTP: true, Htpasswd: path,
		Metrics: ":0", Warn: o.say})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, want := range []string{"passwords go over the network without TLS", "other machines reach http://"} {
		if !strings.Contains(o.String(), want) {
			t.Errorf("no %q in %q", want, o.String())
		}
	}
}
