//go:build linux

package interop

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// TestProxyAsksForPassword has nginx ask for Basic credentials, with web pages as its refusals.
func TestProxyAsksForPassword(t *testing.T) {
	require(t, "nginx", "docker-registry", "skopeo")
	image, here := newSample(t, sample.Options{})
	backend := startRegistry2(t, "", "")
	seed(t, image, backend, "team/app", "1")
	proxy := newNginx(t)
	addr := proxy.listen(t)
	proxy.start(t, fmt.Sprintf("server { listen %s; %s location / { proxy_pass http://%s; } }", addr,
		proxy.passwords(t, "mary", "a:secret"), backend))
	ref, layout := addr+"/team/app:1", filepath.Join(scratch(t), "layout")
	user := newHome(t)
	for _, creds := range [][]string{nil, {"--creds", "mary:guess"}} {
		refused := user.drayage(t, append([]string{"fetch", ref, "-o", layout}, creds...)...)
		equal(t, "exit code without the password", refused.code, 4)
		if strings.Contains(refused.stderr, "guess") || strings.Contains(refused.stderr, "<html>") {
			t.Errorf("the error shows what it should not: %s", refused.stderr)
		}
	}
	login := drayageCommand(t, "login", addr, "-u", "mary", "--password-stdin")
	login.stdin = strings.NewReader("a:secret\n")
	user.in(login).run(t).ok(t)
	user.drayage(t, "fetch", ref, "-o", layout).ok(t)
	equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
	user.drayage(t, "push", layout, addr+"/copy/app:2").ok(t)
	raw := user.skopeo(t, "inspect", "--raw", "--tls-verify=false", "docker://"+addr+"/copy/app:2")
	equal(t, "digest by skopeo, logged in by drayage", digest.FromString(raw), here.Manifest.Digest)
}

// TestPathPrefix reaches a registry below a path, as Nexus and Artifactory have theirs, with each kind of
// upload address that the proxies in front of them make: a full one, a path, and one that leads past the
// proxy.
func TestPathPrefix(t *testing.T) {
	require(t, "nginx", "docker-registry")
	image, here := newSample(t, sample.Options{})
	for _, way := range []struct{ name, redirect string }{
		{"full", "proxy_redirect ~^https?://[^/]+/v2/(.*)$ $scheme://$http_host/repository/docker/v2/$1;"},
		{"path", "proxy_redirect ~^https?://[^/]+/v2/(.*)$ /repository/docker/v2/$1;"},
		{"past the proxy", "proxy_redirect off; proxy_set_header Host $proxy_host;"},
	} {
		t.Run(way.name, func(t *testing.T) {
			backend := startRegistry2(t, "", "")
			seed(t, image, backend, "team/app", "1")
			seed(t, image, backend, "team/app", "1.10")
			proxy := newNginx(t)
			addr := proxy.listen(t)
			proxy.start(t,
				fmt.Sprintf("server { listen %s; location /repository/docker/v2/ { %s %s proxy_pass http://%s/v2/; } }",
					addr, proxy.passwords(t, "mary", "a:secret"), way.redirect, backend))
			// The address as people have it: the path, perhaps with a slash or v2.
			for _, suffix := range []string{"", "/", "/v2/"} {
				at := []string{"--registry", "http://" + addr + "/repository/docker" + suffix, "--creds", "mary:a:secret"}
				layout := filepath.Join(scratch(t), "layout")
				with := func(args ...string) string { t.Helper(); return drayage(t, slices.Concat(args, at)...).ok(t) }
				with("fetch", "team/app:1", "-o", layout)
				equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
				equal(t, "ls", with("ls", "team/app"), "1\n1.10")
				equal(t, "digest --list", with("digest", "--list", "team/app:1"),
					addr+"/team/app@"+image.Root.Digest.String())
				with("inspect", "team/app:1")
				equal(t, "push prints", with("push", layout, "mirror/"), addr+"/mirror/team/app@"+
					here.Manifest.Digest.String())
				_, got := readManifest(t, backend, "mirror/team/app", "1")
				equal(t, "digest in the registry", got, here.Manifest.Digest)
			}
			for _, line := range proxy.requests(t, addr) {
				if !strings.Contains(line, " /repository/docker/v2/") {
					t.Errorf("a request without the prefix: %s", line)
				}
			}
		})
	}
}

// TestPathPrefixWithFiles does so with TLS, and with CA and password where configuration files have them.
func TestPathPrefixWithFiles(t *testing.T) {
	require(t, "nginx", "docker-registry")
	image, here := newSample(t, sample.Options{})
	backend := startRegistry2(t, "", "")
	seed(t, image, backend, "team/app", "1")
	ca, proxy := newAuthority(t), newNginx(t)
	addr := proxy.listen(t)
	proxy.start(t,
		proxy.tlsServer(t, ca, addr,
			fmt.Sprintf(
				"location /repository/docker/v2/ { %s proxy_redirect ~^https?://[^/]+/v2/(.*)$ "+
					"/repository/docker/v2/$1; proxy_pass http://%s/v2/; }",
				proxy.passwords(t, "mary", "a:secret"), backend)))
	user := newHome(t)
	user.write(t, ".config/docker/certs.d/"+addr+"/ca.crt", ca.pem)
	at := "--registry=https://" + addr + "/repository/docker"
	for password, code := range map[string]int{"guess": 4, "a:secret": 0} {
		login := drayageCommand(t, "login", at, "-u", "mary", "--password-stdin")
		login.stdin = strings.NewReader(password + "\n")
		equal(t, "exit code of the login", user.in(login).run(t).code, code)
	}
	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", at, "team/app:1", "-o", layout).ok(t)
	pushed := user.drayage(t, "push", at, layout, "copy/app:2").ok(t)
	equal(t, "push prints", pushed, addr+"/copy/app@"+here.Manifest.Digest.String())
	user.drayage(t, "logout", addr).ok(t)
	equal(t, "exit code after the logout", user.drayage(t, "digest", at, "team/app:1").code, 4)
}

// TestBodyLimit pushes through proxies that take 5 MB in one request, or 1 MB as nginx does unasked: what is
// larger goes in chunks.
func TestBodyLimit(t *testing.T) {
	require(t, "nginx", "docker-registry")
	big, err := sample.BuildBig(t.Context(), scratch(t), 80<<20)
	if err != nil {
		t.Fatal(err)
	}
	if big.Layer.Size < 12<<20 {
		t.Fatalf("the layer has %d bytes, too few for the test", big.Layer.Size)
	}
	source := startRegistry3(t)
	if err := big.Seed(t.Context(), repository(source, "team/big"), "1"); err != nil {
		t.Fatal(err)
	}
	layout, tar := filepath.Join(scratch(t), "layout"), filepath.Join(scratch(t), "saved.tar")
	drayage(t, "fetch", source+"/team/big:1", "-o", layout).ok(t)
	drayage(t, "save", layout, "-o", tar).ok(t)
	for limit, buffering := range map[string]string{"5m": "on", "1m": "off"} {
		for kind, from := range map[string]string{"layout": layout, "tar": tar} {
			t.Run(kind+" "+limit, func(t *testing.T) {
				backend := startRegistry2(t, "", "")
				proxy := newNginx(t)
				addr := proxy.listen(t)
				proxy.start(t,
					fmt.Sprintf(
						"server { listen %s; location / { client_max_body_size %s; proxy_request_buffering %s; proxy_pass "+
							"http://%s; } }",
						addr, limit, buffering, backend))
				newHome(t).drayage(t, "push", from, addr+"/team/big:2").ok(t)
				proxy.waitFor(t, addr, " 413 ")
				proxy.waitFor(t, addr, " 202 PATCH ")
				pushed, dgst := readManifest(t, backend, "team/big", "2")
				equal(t, "image ID", pushed.Config.Digest, digest.FromBytes(big.Config))
				if kind == "layout" {
					equal(t, "digest", dgst, big.Manifest.Digest)
				}
				// which checks every byte
				drayage(t, "save", backend+"/team/big:2", "-o", filepath.Join(scratch(t), "again.tar")).ok(t)
			})
		}
	}
}
