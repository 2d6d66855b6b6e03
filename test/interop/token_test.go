//go:build linux

package interop

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/tokenserver"
)

func startTokens(t *testing.T, opts tokenserver.Options) *tokenserver.Server {
	t.Helper()
	opts.User, opts.Password = "mary", "a:secret"
	tokens, err := tokenserver.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	return tokens
}

// tokenLife is how long the tokens of these tests live at most: a second, rounded up to a whole one.
const tokenLife = 2 * time.Second

// slowUploads lets the first uploads take longer than a token lives.
type slowUploads struct {
	// "before" the registry looks at the token, "during" the body, or "after" it before the answer
	when    string
	slow    atomic.Int32
	refused atomic.Int32 // requests with a token that was not good any more
}

func (s *slowUploads) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upload := strings.Contains(r.URL.Path, "/blobs/uploads/") && (r.Method == http.MethodPut ||
			r.Method == http.MethodPatch)
		when := ""
		if upload && s.slow.Add(-1) >= 0 {
			when = s.when
		}
		switch when {
		case "before":
			outlive(r)
		case "during":
			r.Body = &slowBody{ReadCloser: r.Body, wait: sync.OnceFunc(func() { outlive(r) })}
		case "after":
			defer outlive(r) // what the registry has answered is sent when the handler returns
		}
		next.ServeHTTP(&statusWriter{ResponseWriter: w, seen: func(status int) {
			if status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
				s.refused.Add(1)
			}
		}}, r)
	})
}

// outlive waits until no token is good any more that was good when the request came.
func outlive(r *http.Request) {
	select {
	case <-time.After(tokenLife + 200*time.Millisecond):
	case <-r.Context().Done():
	}
}

type slowBody struct {
	io.ReadCloser
	wait func()
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.wait()
	return n, err
}

type statusWriter struct {
	http.ResponseWriter
	seen func(status int)
}

func (w *statusWriter) WriteHeader(status int) {
	w.seen(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestTokenEndsDuringPush pushes for longer than the tokens live, whatever their server promises.
func TestTokenEndsDuringPush(t *testing.T) {
	image, here := newSample(t, sample.Options{})
	layout, tar := filepath.Join(scratch(t), "layout"), filepath.Join(scratch(t), "saved.tar")
	drayage(t, "fetch", seed(t, image, startRegistry3(t), "team/app", "1"), "-o", layout).ok(t)
	drayage(t, "save", layout, "-o", tar).ok(t)
	for _, when := range []string{"before", "during", "after"} {
		for kind, from := range map[string]string{"layout": layout, "tar": tar} {
			t.Run(kind+", "+when, func(t *testing.T) {
				t.Parallel()
				tokens := startTokens(t, tokenserver.Options{Lifetime: time.Second, ExpiresIn: 10 * time.Minute})
				slow := &slowUploads{when: when}
				slow.slow.Store(3)
				dir := scratch(t)
				guarded := startRegistry(t, registry3.Options{Dir: dir, Token: tokens, Wrap: slow.wrap})
				newHome(t).drayage(t, "push", from, guarded.Addr()+"/copy/app:2", "--creds", "mary:a:secret").ok(t)
				if slow.refused.Load() == 0 || tokens.Issued() < 2 {
					t.Errorf("%d tokens were issued, %d refused: nothing was put to the test", tokens.Issued(),
						slow.refused.Load())
				}
				open := startRegistry(t, registry3.Options{Dir: dir}).Addr()
				pushed, dgst := readManifest(t, open, "copy/app", "2")
				equal(t, "image ID", pushed.Config.Digest, here.Config)
				if kind == "layout" {
					equal(t, "digest", dgst, here.Manifest.Digest)
				}
				// which checks every byte
				drayage(t, "save", open+"/copy/app:2", "-o", filepath.Join(scratch(t), "again.tar")).ok(t)
			})
		}
	}
}

// TestMountWithTokens pushes two images with the same layers into two repositories. A token for a mount has
// to be good for both.
func TestMountWithTokens(t *testing.T) {
	require(t, "skopeo")
	source := startRegistry3(t)
	layout := filepath.Join(scratch(t), "layout")
	images := map[string]*sample.Image{}
	for _, name := range []string{"team/one", "team/two"} {
		image, _ := newSample(t, sample.Options{Text: name})
		images[name] = image
		drayage(t, "fetch", seed(t, image, source, name, "1"), "-o", layout, "--platform", "all").ok(t)
	}
	tokens := startTokens(t, tokenserver.Options{ExpiresIn: 5 * time.Minute})
	var traffic meter.Meter
	guarded := startRegistry(t, registry3.Options{Token: tokens, Wrap: traffic.Wrap})
	user := newHome(t)
	user.login(t, guarded.Addr(), "mary", "a:secret")
	user.drayage(t, "push", layout, guarded.Addr()+"/mirror/", "-j", "1").ok(t)
	if got := traffic.Take(); got.Mounts == 0 {
		t.Errorf("nothing was mounted: %+v", got)
	}
	for name, image := range images {
		raw := user.skopeo(t, "inspect", "--raw", "--tls-verify=false", "docker://"+guarded.Addr()+"/mirror/"+name+
			":1")
		equal(t, "digest of "+name+" by skopeo, logged in by drayage", digest.FromString(raw), image.Root.Digest)
	}
}

// TestLoginToTokenServer logs in, does without --creds, and logs out.
func TestLoginToTokenServer(t *testing.T) {
	image, here := newSample(t, sample.Options{})
	tokens := startTokens(t, tokenserver.Options{})
	addr := startRegistry(t, registry3.Options{Token: tokens, Dir: seedDir(t, image, "team/app", "1")}).Addr()
	user, ref := newHome(t), addr+"/team/app:1"
	wrong := drayageCommand(t, "login", addr, "-u", "mary", "--password-stdin")
	wrong.stdin = strings.NewReader("a:guess\n")
	equal(t, "exit code of a login with a wrong password", user.in(wrong).run(t).code, 4)
	equal(t, "exit code before the login", user.drayage(t, "digest", ref).code, 4)

	user.login(t, addr, "mary", "a:secret")
	equal(t, "digest", user.drayage(t, "digest", ref).ok(t), addr+"/team/app@"+here.Manifest.Digest.String())
	equal(t, "ls", user.drayage(t, "ls", addr+"/team/app").ok(t), "1")
	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", ref, "-o", layout).ok(t)
	user.drayage(t, "push", layout, addr+"/copy/app:2").ok(t)

	user.drayage(t, "logout", addr).ok(t)
	equal(t, "exit code after the logout", user.drayage(t, "fetch", ref, "-o",
		filepath.Join(scratch(t), "other")).code, 4)
}
