package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// ledger keeps what was sent to a registry, request by request.
type ledger struct {
	http.Handler
	mu   sync.Mutex
	sent [][]byte
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &bytes.Buffer{}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, body), r.Body}
	l.Handler.ServeHTTP(w, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, body.Bytes())
}

// take returns what was sent since it was called last.
func (l *ledger) take() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := l.sent
	l.sent = nil
	return sent
}

// signedFiles saves an image in volumes of 1 MiB and in one piece, and signs both.
func signedFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	content := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{7}).Read(content)
	layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": string(content)}))
	reg := fakeregistry.New()
	reg.PutImage("app", "1", fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Layers: []fakeregistry.Layer{layer}})
	from := serveFake(t, reg) + "/app:1"
	for _, line := range [][]string{
		{"keygen", "-o", "ship.key", "--no-password"},
		{"save", from, "-o", "x.tar", "--format", "oci", "--sign", "ship.key"},
		{"save", from, "-o", "v.tar", "--format", "oci", "--sign", "ship.key", "--volume-size", "1M"},
	} {
		if code, text := drayage(t, line...); code != 0 {
			t.Fatalf("%q: %d, %s", line, code, text)
		}
	}
}

// TestTamperedByte changes one byte of every kind of place in the archive, its set file and its signature.
// The exit code is 6, and no byte that was not in the archive is sent.
func TestTamperedByte(t *testing.T) {
	signedFiles(t)
	whole, err := os.ReadFile("x.tar")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, source string
		step         int
	}{
		{"x.tar", "x.tar", 700_001}, {"x.tar.set", "x.tar", 83}, {"x.tar.set.minisig", "x.tar", 41},
		{"v.tar.001", "v.tar.set", 300_007}, {"v.tar.003", "v.tar.set", 300_007},
		{"v.tar.set", "v.tar.001", 97}, {"v.tar.set.minisig", "v.tar.001", 53},
	} {
		t.Run(c.file, func(t *testing.T) {
			good, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			free := bytes.IndexByte(good, '\n') // of a signature: the words before are not signed
			for at := 0; at < len(good); at += c.step {
				if strings.HasSuffix(c.file, ".minisig") && at > len("untrusted comment: ") && at < free {
					continue
				}
				tampered := bytes.Clone(good)
				tampered[at] ^= 1
				write(t, c.file, tampered)
				refused(t, c.source, fmt.Sprintf("byte %d of %s", at, c.file), whole)
			}
			write(t, c.file, good)
		})
	}
	for _, source := range []string{"x.tar", "v.tar.set"} {
		if code, text := drayage(t, "push", source, serveFake(t, fakeregistry.New())+"/m/", "--key", "ship.pub",
			"-q"); code != 0 {
			t.Errorf("%s as it was: %d, %s", source, code, text)
		}
	}
}

// refused pushes a tampered archive to a registry that has nothing.
func refused(t *testing.T, source, what string, whole []byte) {
	t.Helper()
	l := &ledger{Handler: fakeregistry.New()}
	s := httptest.NewServer(l)
	defer s.Close()
	dest := strings.TrimPrefix(s.URL, "http://") + "/m/"
	code, text := drayage(t, "push", source, dest, "--key", "ship.pub", "-q")
	if code != exitIntegrity {
		t.Errorf("%s: exit code %d: %s", what, code, text)
	}
	for _, sent := range l.take() {
		if !bytes.Contains(whole, sent) {
			t.Errorf("%s: %d bytes are sent that were not in the archive", what, len(sent))
		}
	}
}
