package registry

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// elsewhere makes other the only one that has a foreign layer, which its descriptor says is at the given
// addresses, or on other if there are none.
func (w *world) elsewhere(other *fakeregistry.Registry, content []byte, addresses ...string) v1.Descriptor {
	d := other.PutBlob("app", content)
	d.MediaType, d.URLs = image.DockerForeign+".gzip", addresses
	if len(addresses) == 0 {
		d.URLs = []string{"http://other.test/v2/app/blobs/" + d.Digest.String()}
	}
	return d
}

// strangers lets foreign addresses be asked, through the network of the test.
func (w *world) strangers() { w.client.Foreign = w.client.Transport }

// TestForeignLayerNeedsPermission checks that nobody is asked for a foreign layer unasked, and that the
// error says who would be.
func TestForeignLayerNeedsPermission(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.other("other.test:80")
		d := w.elsewhere(other, []byte("a layer"), "http://other.test/x?token=secret", "http://other.test/y",
			"http://evil\x1b.test/", "https://third.test/z")
		_, err := w.fetchBlob(d)
		var foreign *ForeignError
		if !errors.As(err, &foreign) || !errors.Is(err, ErrNotFound) {
			w.Fatalf("got %v, want a ForeignError", err)
		}
		for _, want := range []string{d.Digest.String(), `"other.test"`, "third.test", "--foreign-urls"} {
			if !strings.Contains(err.Error(), want) {
				w.Errorf("%q does not say %s", err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") || strings.ContainsAny(err.Error(), "\x1b\n") ||
			strings.Count(err.Error(), "other.test") != 1 {
			w.Errorf("the error is %q", err)
		}
		if n := len(other.Requests("", "")); n != 0 {
			w.Errorf("the address was asked %d times", n)
		}
	})
}

func TestForeignLayerOfRegistryFirst(t *testing.T) {
	inBubble(t, func(w *world) {
		w.strangers()
		other := w.other("other.test:80")
		content := []byte("a layer")
		d := w.elsewhere(other, content)
		w.reg.PutBlob("app", content)
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Errorf("got %q, %v", got, err)
		}
		if n := len(other.Requests("", "")); n != 0 {
			w.Errorf("the address was asked %d times although the registry has the layer", n)
		}
	})
}

// TestForeignLayerGetsNoSecrets plays every way in which an address could come to see what is for the
// registry only.
func TestForeignLayerGetsNoSecrets(t *testing.T) {
	content := []byte("a layer")
	for name, c := range map[string]struct {
		address string // with %s for the digest; empty: the other host's
		prepare func(w *world, other *fakeregistry.Registry)
		fails   string
	}{
		"the address": {},
		"the address asks for a password": {
			prepare: func(_ *world, other *fakeregistry.Registry) { other.RequireBasic("me", "secret") }, fails: "401",
		},
		"the registry's own address": {address: "http://registry.test/v2/app/blobs/%s?own", fails: "401"},
		"a redirect to the registry's own address": {
			prepare: func(_ *world, other *fakeregistry.Registry) {
				other.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(307, "http://registry.test"))
			}, fails: "401",
		},
		"a redirect to somebody else": {
			prepare: func(w *world, other *fakeregistry.Registry) {
				w.elsewhere(w.other("third.test:80"), content)
				other.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(302, "http://third.test"))
			},
		},
		"a redirect with a password": {
			prepare: func(_ *world, other *fakeregistry.Registry) {
				other.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(302, "http://me:secret@other.test"))
			}, fails: "user name",
		},
		"a redirect to this machine": {
			prepare: func(_ *world, other *fakeregistry.Registry) {
				other.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(302, "http://127.0.0.1"))
			}, fails: "this machine",
		},
		"a password in the address": {address: "http://me:secret@other.test/%s", fails: "user name"},
		"a file":                    {address: "file:///etc/passwd", fails: "no http or https"},
		"another protocol":          {address: "ftp://other.test/%s", fails: "no http or https"},
		"no host":                   {address: "http:///%s", fails: "no http or https"},
		"no address":                {address: "http://a b/", fails: "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.strangers()
				w.secret()
				w.client.Endpoints = func(ref Reference) ([]Endpoint, error) {
					e := DefaultEndpoint(ref.Registry)
					e.Header = http.Header{"X-Key": {"k"}, "Cookie": {"c=1"}}
					return []Endpoint{e}, nil
				}
				other := w.other("other.test:80")
				d := w.elsewhere(other, content)
				if c.address != "" {
					d.URLs = []string{strings.ReplaceAll(c.address, "%s", d.Digest.String())}
				}
				if c.prepare != nil {
					c.prepare(w, other)
				}
				got, err := w.fetchBlob(d)
				if c.fails == "" && (err != nil || !bytes.Equal(got, content)) || c.fails != "" &&
					(err == nil || !strings.Contains(err.Error(), c.fails)) {
					w.Errorf("got %q, %v, want an error with %q", got, err, c.fails)
				}
				w.leak(other)
				first := w.reg.Requests("GET", "/blobs/")
				if len(first) < 2 || first[1].Authorization() == "" || first[1].Header.Get("X-Key") != "k" {
					w.Error("the registry itself was not asked, with its credentials and headers")
				}
				for _, e := range first[2:] {
					if e.Authorization() != "" || e.Header.Get("X-Key") != "" || e.Header.Get("Cookie") != "" {
						w.Errorf("%s?%s of the registry was asked as if for the registry", e.Path, e.Query)
					}
				}
				if w.asked > 2 { // the registry's challenge and the request after it
					w.Errorf("credentials were looked up %d times", w.asked)
				}
			})
		})
	}
}

// TestForeignLayerOfNextAddress checks that addresses are asked in their order, and the next where one
// fails or gives out something else.
func TestForeignLayerOfNextAddress(t *testing.T) {
	content := bytes.Repeat([]byte("a layer "), 100)
	for name, fault := range map[string]fakeregistry.Fault{
		"absent":    fakeregistry.Status(http.StatusNotFound),
		"broken":    fakeregistry.Status(http.StatusInternalServerError),
		"denied":    fakeregistry.Status(http.StatusForbidden),
		"wrong":     fakeregistry.FlipByte(7),
		"too short": fakeregistry.Short(10),
		"too long":  fakeregistry.Extra("more"),
		"a page":    fakeregistry.Page(),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.strangers()
				other, third := w.other("other.test:80"), w.other("third.test:80")
				w.elsewhere(third, content)
				d := w.elsewhere(other, content)
				d.URLs = append([]string{"gopher://x", "http://nobody.test/"}, d.URLs[0],
					strings.Replace(d.URLs[0], "other", "third", 1))
				other.On(fakeregistry.Match{}, fault)
				if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
					w.Errorf("got %d bytes, %v", len(got), err)
				}
				if len(other.Requests("GET", "")) == 0 {
					w.Error("the first address was not asked")
				}
				if n := len(w.reg.Requests("GET", "/blobs/")); n != 1 {
					w.Errorf("the registry was asked %d times", n)
				}
				if told := strings.Join(w.told(), "\n"); !strings.Contains(told, `comes from "third.test"`) {
					w.Errorf("the user was told %q", told)
				}
			})
		})
	}
}

// TestForeignLayerGoesOn checks that a broken stream goes on where it was.
func TestForeignLayerGoesOn(t *testing.T) {
	inBubble(t, func(w *world) {
		w.strangers()
		other := w.other("other.test:80")
		content := bytes.Repeat([]byte("a layer "), 1000)
		d := w.elsewhere(other, content)
		other.On(fakeregistry.Match{Count: 1}, fakeregistry.Cut(5000))
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Fatalf("got %d bytes, %v", len(got), err)
		}
		asked := other.Requests("GET", "/blobs/")
		if len(asked) != 2 || asked[1].Range() == "" {
			w.Errorf("the address was asked %d times", len(asked))
		}
	})
}

func TestReachOf(t *testing.T) {
	for text, want := range map[string]reach{
		"93.184.216.34": reachPublic, "2606:2800:220:1::1": reachPublic,
		"10.1.2.3": reachPrivate, "172.31.0.1": reachPrivate, "192.168.1.1": reachPrivate, "fd12::1": reachPrivate,
		"100.64.0.1":      reachPrivate,
		"::ffff:10.0.0.1": reachPrivate, "64:ff9b::a00:1": reachPrivate,
		"127.0.0.1": reachLocal, "127.1.2.3": reachLocal, "::1": reachLocal, "::ffff:127.0.0.1": reachLocal,
		"64:ff9b::7f00:1": reachLocal,
		"169.254.169.254": reachNever, "fe80::1": reachNever, "fe80::1%eth0": reachNever,
		"fd00:ec2::254": reachNever, "0.0.0.0": reachNever, "::": reachNever,
		"0.1.2.3": reachNever, "100.100.100.200": reachNever, "224.0.0.1": reachNever,
		"255.255.255.255": reachNever, "ff02::1": reachNever, "64:ff9b::a9fe:a9fe": reachNever,
	} {
		if got := reachOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// TestForeignTransport connects to a server on this machine for registries at different distances.
func TestForeignTransport(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Write([]byte("a layer"))
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, c := range []struct {
		registry, host string
		allowed        bool
	}{
		{"127.0.0.1:1", "127.0.0.1", true},
		{"localhost:1", "localhost", true},
		{"[::1]:1", "127.0.0.1", true},
		{"192.0.2.1", "127.0.0.1", false},
		{"192.0.2.1", "localhost", false}, // the name is resolved before it is looked at
		{"10.1.2.3:5000", "127.0.0.1", false},
		{"127.0.0.1:1", "0.0.0.0", false},
		{"127.0.0.1:1", "169.254.169.254", false},
	} {
		asked = 0
		client := &Client{Foreign: NewForeignTransport(nil, nil)}
		repo := client.Repository(Reference{Registry: c.registry, Repository: "app"})
		d := describe([]byte("a layer"))
		d.URLs = []string{"http://" + c.host + ":" + port + "/"}
		rc, err := repo.openForeign(t.Context(), d, 0, -1)
		if err == nil {
			rc.Close()
		}
		if (err == nil) != c.allowed || (asked == 1) != c.allowed {
			t.Errorf("%s for %s: asked %d times, %v", c.host, c.registry, asked, err)
		}
		if err != nil && !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s for %s: %v", c.host, c.registry, err)
		}
		client.Close()
	}
}
