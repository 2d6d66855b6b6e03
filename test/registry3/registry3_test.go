package registry3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"drayage/test/registry3"
	"drayage/test/tokenserver"
	"drayage/test/wire"
)

func TestMain(m *testing.M) {
	// App.Shutdown of distribution 3.1 does not close the broadcaster that every App starts, sinks or none.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/docker/go-events.(*Broadcaster).run"))
}

func start(t *testing.T, opts registry3.Options) *registry3.Server {
	t.Helper()
	s, err := registry3.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// repository has a transport of its own, so that no idle connection outlives the test.
func repository(t *testing.T, s *registry3.Server) *wire.Repository {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &wire.Repository{URL: s.URL(), Name: "team/app", Client: &http.Client{Transport: transport}}
}

const content = "some bytes"

func putBlob(ctx context.Context, repo *wire.Repository) error {
	return repo.PutBlob(ctx, digest.FromString(content), int64(len(content)), strings.NewReader(content))
}

func checkBlob(t *testing.T, repo *wire.Repository) {
	t.Helper()
	rc, err := repo.Blob(t.Context(), digest.FromString(content))
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err != nil || string(got) != content {
		t.Fatalf("blob = %q, %v; want %q", got, err, content)
	}
}

func TestInMemory(t *testing.T) {
	repo := repository(t, start(t, registry3.Options{}))
	if _, err := repo.Blob(t.Context(), digest.FromString(content)); !errors.Is(err, wire.ErrNotFound) {
		t.Fatalf("blob of an empty registry: %v, want ErrNotFound", err)
	}
	if err := putBlob(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	checkBlob(t, repo)
}

func TestRefusesWrongDigest(t *testing.T) {
	repo := repository(t, start(t, registry3.Options{}))
	err := repo.PutBlob(t.Context(), digest.FromString("other"), int64(len(content)), strings.NewReader(content))
	if err == nil {
		t.Fatal("a blob was stored under a digest that is not its own")
	}
}

func TestDirectoryOutlivesServer(t *testing.T) {
	dir := t.TempDir()
	first := start(t, registry3.Options{Dir: dir})
	if err := putBlob(t.Context(), repository(t, first)); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := putBlob(t.Context(), repository(t, first)); err == nil {
		t.Fatal("a closed registry still answers")
	}
	checkBlob(t, repository(t, start(t, registry3.Options{Dir: dir})))
}

func TestContextStopsServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := registry3.Start(ctx, registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	s.Close() // waits for the stop that the context began, if it did
	if err := putBlob(t.Context(), repository(t, s)); err == nil {
		t.Fatal("the registry outlives its context")
	}
}

func TestBasic(t *testing.T) {
	s := start(t, registry3.Options{User: "ann", Password: "secret"})
	for _, tc := range []struct {
		user, password string
		want           bool
	}{{"", "", false}, {"ann", "wrong", false}, {"bob", "secret", false}, {"ann", "secret", true}} {
		repo := repository(t, s)
		repo.User, repo.Password = tc.user, tc.password
		if err := putBlob(t.Context(), repo); (err == nil) != tc.want {
			t.Errorf("put as %q with password %q: %v, want success %t", tc.user, tc.password, err, tc.want)
		}
	}
}

func TestWrap(t *testing.T) {
	requests := 0
	repo := repository(t, start(t, registry3.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			next.ServeHTTP(w, r)
		})
	}}))
	if err := putBlob(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	if requests != 2 {
		t.Errorf("the wrapper saw %d requests, want 2", requests)
	}
}

func TestToken(t *testing.T) {
	tokens, err := tokenserver.Start(t.Context(), tokenserver.Options{User: "ann", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	repo := repository(t, start(t, registry3.Options{Token: tokens}))
	if err := putBlob(t.Context(), repo); err == nil {
		t.Fatal("the registry asked for no token")
	}
	app := tokenserver.Access{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}}
	other := app
	other.Name = "team/other"
	for _, tc := range []struct {
		access tokenserver.Access
		want   bool
	}{{app, true}, {other, false}} {
		if repo.Bearer, err = tokens.Token(tc.access); err != nil {
			t.Fatal(err)
		}
		if err := putBlob(t.Context(), repo); (err == nil) != tc.want {
			t.Errorf("put with a token for %s: %v, want success %t", tc.access.Name, err, tc.want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	tokens, err := tokenserver.Start(t.Context(), tokenserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	if s, err := registry3.Start(t.Context(), registry3.Options{User: "ann", Token: tokens}); err == nil {
		s.Close()
		t.Fatal("User and Token together were accepted")
	}
}
