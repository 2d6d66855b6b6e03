package main

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

// TestDialogues types the command lines of testdata/dialogue and compares what drayage says. A line with a
// dollar sign is typed; what stands below it is what was written to standard error, or to standard output
// behind a >, and the exit code. After a change of the words:
// go test ./cmd/drayage -run TestDialogues -update
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogue/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, f, newRoom(t).talk(t, string(raw)))
		})
	}
}

// room is where the command lines of one dialogue are typed.
type room struct {
	names map[string]string // of registries, and what they are called in the dialogue
}

// newRoom makes a directory with the layout images, the OCI tar app.tar and the docker tar docker.tar of
// solo:1, and registries: $REG with the images of fill, $LOCKED with a password, $PORTAL that answers
// everything with a page, $TLS with a certificate that nobody knows.
func newRoom(t *testing.T) *room {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	for name, dir := range map[string]string{"HOME": "", "XDG_CACHE_HOME": "cache", "DOCKER_CONFIG": "docker",
		"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"} {
		t.Setenv(name, filepath.Join(home, dir))
	}
	r := &room{names: map[string]string{}}
	reg, locked := fakeregistry.New(), fakeregistry.New()
	fill(reg)
	fill(locked)
	locked.RequireBasic("ann", "secret")
	breakImages(reg)
	reg.On(fakeregistry.Match{Path: "/team/ap/tags/list"}, fakeregistry.Status(404))
	r.serve(t, "REG", reg)
	r.serve(t, "LOCKED", locked)
	r.serve(t, "EMPTY", fakeregistry.New())
	r.serve(t, "PORTAL", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><title>Guest network: log in</title><body>...</body></html>")
	}))
	r.serveTLS(t, "TLS", reg, nil)
	r.serveFailing(t, reg)
	r.fill(t)
	for _, line := range [][]string{
		{"fetch", r.names["REG"] + "/solo:1", "-o", "images"},
		{"save", "images", "-o", "app.tar", "--format", "oci"},
		{"save", "images", "-o", "docker.tar"},
		{"fetch", r.names["REG"] + "/team/app:1", "-o", "team"},
		{"save", "images", "-o", "cut.tar.gz", "--compress", "gzip"},
		{"fetch", r.names["REG"] + "/solo:1", "-o", "lacking"},
	} {
		var out bytes.Buffer
		if code := run(slices.Concat([]string{"drayage"}, line, []string{"-q", "--platform", "linux/amd64"}),
			os.Stdin, &out, &out); code != 0 {
			t.Fatalf("%q: %d, %s", line, code, out.String())
		}
	}
	r.spoil(t)
	return r
}

func (r *room) serve(t *testing.T, name string, h http.Handler) {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	r.names[name] = strings.TrimPrefix(server.URL, "http://")
}

// serveTLS serves a registry over TLS with a certificate, or with one of Go's tests.
func (r *room) serveTLS(t *testing.T, name string, h http.Handler, cert *tls.Certificate) {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	r.names[name] = strings.TrimPrefix(server.URL, "https://")
}

// serveFailing serves registries with which something is wrong.
func (r *room) serveFailing(t *testing.T, reg http.Handler) {
	answer := func(status int, kind, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	r.serve(t, "LIMITED", answer(429, "application/json", `{"errors":[{"code":"TOOMANYREQUESTS"}]}`))
	r.serve(t, "BROKEN", answer(503, "text/html", "<html><title>Down for repair</title></html>"))
	r.serve(t, "FAILS", answer(500, "text/html", "<html><body><h1>Internal Server Error</h1></body></html>"))
	var tokens http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `"T"`) }
	r.serve(t, "TOKENS", tokens)
	r.serve(t, "BADTOKEN", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.names["TOKENS"]+`/",service="s"`)
		w.WriteHeader(401)
	}))
	for name, change := range map[string]func(*x509.Certificate){
		"EXPIRED":   func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Minute) },
		"OTHERNAME": func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} },
	} {
		cert := certificate(t, change)
		r.serveTLS(t, name, reg, &cert)
		pemOf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
		write(t, strings.ToLower(name)+".pem", pemOf)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.names["CLOSED"] = l.Addr().String()
	l.Close()
}

// certificate is for this machine and its own CA, after a change.
func certificate(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry"}, NotBefore: from,
		NotAfter: from.AddDate(100, 0, 0), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// fill puts files beside the images: text.tar, empty.tar, empty.txt, cut.tar.gz, a folder, and the layout
// lacking, in which a layer is missing.
func (r *room) fill(t *testing.T) {
	write(t, "text.tar", []byte("This is a text and no tar.\n"))
	write(t, "empty.tar", nil)
	write(t, "empty.txt", nil)
	write(t, "folder/notes.txt", nil)
}

// spoil cuts cut.tar.gz and takes the largest blob out of the layout lacking.
func (r *room) spoil(t *testing.T) {
	fi, err := os.Stat("cut.tar.gz")
	if err == nil {
		err = os.Truncate("cut.tar.gz", fi.Size()/2)
	}
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := filepath.Glob("lacking/blobs/sha256/*")
	if err != nil || len(blobs) == 0 {
		t.Fatal(blobs, err)
	}
	size := func(path string) int64 {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	largest := slices.MaxFunc(blobs, func(a, b string) int { return cmp.Compare(size(a), size(b)) })
	if err := os.Remove(largest); err != nil {
		t.Fatal(err)
	}
}

// talk types the command lines of a dialogue and returns it with what is said now.
func (r *room) talk(t *testing.T, dialogue string) string {
	var b strings.Builder
	typed := 0
	for line := range strings.Lines(dialogue) {
		words, isTyped := strings.CutPrefix(strings.TrimSpace(line), "$ drayage")
		switch {
		case isTyped:
			fmt.Fprintf(&b, "\n%s", line)
			b.WriteString(r.answer(t, words))
			typed++
		case strings.HasPrefix(line, "#"):
			fmt.Fprintf(&b, "\n%s", line)
		}
	}
	if typed == 0 {
		t.Fatal("nothing is typed")
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// Of a message, the address of the machine's DNS server, and how long something took, and what is free.
var (
	resolver = regexp.MustCompile(` on \S+:53:`)
	free     = regexp.MustCompile(`\b[0-9.]+ .?B free`)
	elapsed  = regexp.MustCompile(`\b[0-9.]+ ?(ms|s)\b|\b[0-9-]+T[0-9:]+Z`)
)

// answer types one command line.
func (r *room) answer(t *testing.T, line string) string {
	args := []string{"drayage"}
	for _, word := range split(line) {
		args = append(args, os.Expand(word, func(name string) string { return r.names[name] }))
	}
	var stdout, stderr bytes.Buffer
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	code := run(args, stdin, &stdout, &stderr)
	text := stderr.String()
	for out := range strings.Lines(stdout.String()) {
		text += "> " + out
	}
	for name, address := range r.names {
		text = strings.ReplaceAll(text, address, "$"+name)
	}
	text = free.ReplaceAllString(text, "ROOM free")
	text = elapsed.ReplaceAllString(resolver.ReplaceAllString(text, ":"), "TIME")
	return text + fmt.Sprintf("exit code %d\n", code)
}

// word is one word of a line. Single quotes hold it together.
var word = regexp.MustCompile(`('[^']*'|[^\s'])+`)

func split(line string) (words []string) {
	for _, w := range word.FindAllString(line, -1) {
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}
