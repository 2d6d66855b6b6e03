package engine_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/engine"
	"drayage/internal/usage"
)

// daemon is a Docker engine of two hundred images, two of them with names. An image that went away is the
// last.
type daemon struct {
	driverStatus string // JSON
	component    string
}

const images = 200

func id(i int) digest.Digest { return digest.FromString(fmt.Sprint("image", i)) }

func (d daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/images/"), "/json"); {
	case r.URL.Path == "/version":
		fmt.Fprintf(w, `{"Version":"20.10.24","Components":[{"Name":%q}]}`, d.component)
	case r.URL.Path == "/info":
		fmt.Fprintf(w, `{"Driver":"overlay2","DriverStatus":%s}`, d.driverStatus)
	case r.URL.Path == "/images/json":
		var all []map[string]any
		for i := range images {
			tags := []string{"<none>:<none>"}
			if i < 2 {
				tags = []string{fmt.Sprintf("a:%d", i), fmt.Sprintf("b:%d", i)}
			}
			all = append(all, map[string]any{"Id": id(i), "RepoTags": tags})
		}
		_ = json.NewEncoder(w).Encode(all)
	default:
		for i := range images - 1 {
			if name == id(i).String() || name == "team/a:1" {
				fmt.Fprintf(w, `{"Id":%q,"RepoTags":["team/a:1"],"RootFS":{"Type":"layers","Layers":[%q,%q]}}`, id(i),
					digest.FromString("base"), digest.FromString(fmt.Sprint(i)))
				return
			}
		}
		http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
	}
}

func connect(t *testing.T, h http.Handler) *engine.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := engine.Connect(func(name string) string {
		return map[string]string{"DOCKER_HOST": "tcp://" + strings.TrimPrefix(server.URL, "http://")}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestImages(t *testing.T) {
	c := connect(t, daemon{})
	var ids []string
	names := 0
	err := c.Images(t.Context(), "", func(im engine.Image, total int) error {
		ids = append(ids, im.ID.String())
		names += len(im.Names)
		if len(im.DiffIDs) != 2 || im.DiffIDs[0] != digest.FromString("base") || total != images {
			t.Errorf("%+v of %d", im, total)
		}
		return nil
	})
	if err != nil || len(ids) != images-1 || !slices.IsSorted(ids) || names != 4 {
		t.Errorf("%v, %d images, %d names", err, len(ids), names)
	}
	ids = nil
	one := func(im engine.Image, _ int) error { ids = append(ids, im.Names...); return nil }
	if err := c.Images(t.Context(), "team/a:1", one); err != nil || !slices.Equal(ids, []string{"team/a:1"}) {
		t.Errorf("%v, %q", err, ids)
	}
	if err := c.Images(t.Context(), "none", one); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	stop := errors.New("enough")
	err = c.Images(t.Context(), "", func(engine.Image, int) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestAbout(t *testing.T) {
	for _, tc := range []struct {
		d    daemon
		want engine.Store
	}{
		{daemon{`[["Backing Filesystem","extfs"]]`, "Engine"}, engine.Unpacked},
		{daemon{`null`, "Engine"}, engine.Unpacked},
		{daemon{`[["driver-type","io.containerd.snapshotter.v1"]]`, "Engine"}, engine.Containerd},
		{daemon{`[["Backing Filesystem","extfs"]]`, "Podman Engine"}, engine.Podman},
	} {
		about, err := connect(t, tc.d).About(t.Context())
		if err != nil || about.Store != tc.want || about.Version != "20.10.24" || about.Driver != "overlay2" {
			t.Errorf("%+v: %+v, %v", tc.d, about, err)
		}
	}
}

// What is no engine, or a hostile one, is an error that names it.
func TestNoEngine(t *testing.T) {
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	for _, tc := range []struct {
		h    http.Handler
		want string
	}{
		{answer(200, "<html>"), "is none of a Docker engine"},
		{answer(200, "{}"), "is no Docker engine"},
		{answer(404, `{"message":"nothing here"}`), `404 Not Found "nothing here"`},
		{answer(400, `{"message":"client version too old"}`), "client version too old"},
		{answer(200, `"`+strings.Repeat("x", 8<<20)), "has more than"},
	} {
		c := connect(t, tc.h)
		if _, err := c.About(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) ||
			!strings.Contains(err.Error(), c.Address) {
			t.Errorf("%v, want %s", err, tc.want)
		}
	}
	if _, err := connect(t, answer(403, "")).About(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	if _, err := connect(t, answer(500, "")).About(t.Context()); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	for _, list := range []string{`[{"Id":"x"}]`, `[{}]`, `{}`} {
		err := connect(t, answer(200, list)).Images(t.Context(), "", nil)
		if err == nil {
			t.Errorf("%s is taken", list)
		}
	}
}

func TestConnect(t *testing.T) {
	for _, host := range []string{"ssh://far", "npipe:////./pipe/docker_engine", "x", "tcp://", "tcp://h/path",
		"unix://"} {
		_, err := engine.Connect(func(name string) string {
			return map[string]string{"DOCKER_HOST": host}[name]
		})
		if !errors.As(err, new(*usage.Error)) {
			t.Errorf("%s: %v", host, err)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "docker.sock")
	c, err := engine.Connect(func(string) string { return "unix://" + nowhere })
	if err == nil {
		_, err = c.About(t.Context())
	}
	if !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, err = engine.Connect(func(name string) string {
		return map[string]string{"DOCKER_HOST": "tcp://h", "DOCKER_CERT_PATH": t.TempDir()}[name]
	})
	if err != nil {
		t.Errorf("a directory without certificates: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Docker does not listen on Unix sockets there")
	}
	dir, err := os.MkdirTemp("", "engine") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(daemon{driverStatus: "[]"})
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	c, err := engine.Connect(func(name string) string {
		return map[string]string{"DOCKER_HOST": "unix://" + filepath.Join(dir, "s")}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if about, err := c.About(t.Context()); err != nil || about.Driver != "overlay2" {
		t.Errorf("%+v, %v", about, err)
	}
}

// An engine behind TLS is reached with the certificates of DOCKER_CERT_PATH, and its own is verified.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(daemon{driverStatus: "[]"})
	defer server.Close()
	dir := t.TempDir()
	env := map[string]string{"DOCKER_HOST": "tcp://" + server.Listener.Addr().String(), "DOCKER_CERT_PATH": dir,
		"DOCKER_TLS_VERIFY": "1"}
	ask := func() error {
		c, err := engine.Connect(func(name string) string { return env[name] })
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.About(t.Context())
		return err
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	write := func(raw string) {
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(pemOf(server))
	if err := ask(); err != nil {
		t.Error(err)
	}
	write("nothing")
	if err := ask(); err == nil || !strings.Contains(err.Error(), "DOCKER_CERT_PATH: ") {
		t.Errorf("%v", err)
	}
}

func TestNamed(t *testing.T) {
	for text, want := range map[string]string{"docker": "", "docker-daemon:": "", "docker-daemon:a:1": "a:1"} {
		if of, ok := engine.Named(text); of != want || !ok {
			t.Errorf("%s: %q, %v", text, of, ok)
		}
	}
	for _, text := range []string{"", "docker:1", "./docker", "docker-archive:x"} {
		if of, ok := engine.Named(text); ok || of != "" {
			t.Errorf("%s: %q", text, of)
		}
	}
}

func pemOf(server *httptest.Server) string {
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	return string(pem.EncodeToMemory(block))
}
