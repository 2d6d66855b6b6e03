//go:build linux

package interop

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// TestPrivateCA talks to a registry behind TLS of a CA that the system does not know, told in each of the
// ways that there are.
func TestPrivateCA(t *testing.T) {
	require(t, "nginx", "docker-registry", "skopeo")
	image, here := newSample(t, sample.Options{})
	backend := startRegistry2(t, "", "")
	seed(t, image, backend, "team/app", "1")
	ca, proxy := newAuthority(t), newNginx(t)
	addr := proxy.listen(t)
	proxy.start(t, proxy.tlsServer(t, ca, addr, "location / { proxy_pass http://"+backend+"; }"))
	ref := addr + "/team/app:1"

	for i, way := range []struct {
		name string
		file string // below the home directory
		args []string
	}{
		{"ca-file", "", []string{"--ca-file", ca.file}},
		{"insecure", "", []string{"--insecure"}},
		{"docker's certs.d", ".config/docker/certs.d/" + addr + "/ca.crt", nil},
		{"podman's certs.d", ".config/containers/certs.d/" + addr + "/ca.crt", nil},
		{"containerd's certs.d", ".config/containerd/certs.d/" + strings.ReplaceAll(addr, ":", "_") +
			"_/hosts.toml", nil},
		{"insecure in registries.conf", ".config/containers/registries.conf.d/lab.conf", nil},
	} {
		t.Run(way.name, func(t *testing.T) {
			user := newHome(t)
			switch {
			case strings.HasSuffix(way.file, ".conf"):
				user.write(t, way.file, fmt.Appendf(nil, "[[registry]]\nlocation = %q\ninsecure = true\n", addr))
			case strings.HasSuffix(way.file, ".toml"):
				user.write(t, way.file, fmt.Appendf(nil, "server = \"https://%s\"\nca = %q\n", addr, ca.file))
			case way.file != "":
				user.write(t, way.file, ca.pem)
			}
			layout := filepath.Join(scratch(t), "layout")
			user.drayage(t, append([]string{"fetch", ref, "-o", layout}, way.args...)...).ok(t)
			equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
			target := fmt.Sprintf("%s/copy/app%d", addr, i)
			pushed := user.drayage(t, append([]string{"push", layout, target + ":2"}, way.args...)...).ok(t)
			equal(t, "push prints", pushed, target+"@"+here.Manifest.Digest.String())
			if strings.Contains(way.file, "containers/") {
				raw := user.skopeo(t, "inspect", "--raw", "docker://"+target+":2")
				equal(t, "digest by skopeo", digest.FromString(raw), here.Manifest.Digest)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		o := newHome(t).drayage(t, "fetch", ref, "-o", filepath.Join(scratch(t), "layout"))
		equal(t, "exit code", o.code, 5)
		if !strings.Contains(o.stderr, "--ca-file") || strings.Count(o.stderr, "\n") > 3 {
			t.Errorf("the error does not say what to do: %s", o.stderr)
		}
	})
}

// TestClientCertificate has a registry that wants a certificate and a password, and stores its blobs
// elsewhere: both are for the registry only. The storage has a certificate of the same private CA.
func TestClientCertificate(t *testing.T) {
	require(t, "nginx", "docker-registry", "skopeo")
	image, here := newSample(t, sample.Options{})
	backend := startRegistry2(t, "", "")
	seed(t, image, backend, "team/app", "1")
	ca, proxy := newAuthority(t), newNginx(t)
	addr, storage := proxy.listen(t), proxy.listen(t)
	pass := "proxy_set_header Authorization ''; proxy_set_header Host $http_host; proxy_set_header " +
		"X-Forwarded-Proto https; proxy_pass http://" + backend + ";"
	proxy.start(t,
		proxy.tlsServer(t, ca, addr, fmt.Sprintf(`ssl_verify_client on; ssl_client_certificate %s; %s
			set $elsewhere "$request_method $uri";
			location / {
				if ($elsewhere ~ "^GET .*/blobs/sha256:") { return 307 https://%s$request_uri; }
				%s
			}`, ca.file, proxy.passwords(t, "mary", "a:secret"), storage, pass)),
		proxy.tlsServer(t, ca, storage, "ssl_verify_client optional_no_ca; location / { "+pass+" }"))

	user := newHome(t)
	certificate, key := ca.issue(t, "mary", x509.ExtKeyUsageClientAuth)
	for _, dir := range []string{"containers", "docker"} {
		user.write(t, ".config/"+dir+"/certs.d/"+addr+"/ca.crt", ca.pem)
		user.write(t, ".config/"+dir+"/certs.d/"+addr+"/client.cert", certificate)
		user.write(t, ".config/"+dir+"/certs.d/"+addr+"/client.key", key)
	}
	ref := addr + "/team/app:1"
	raw := user.skopeo(t, "inspect", "--config", "--raw", "--creds", "mary:a:secret", "docker://"+ref)
	equal(t, "image ID by skopeo", digest.FromString(raw), here.Config)
	before := len(proxy.requests(t, storage))

	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", ref, "-o", layout, "--creds", "mary:a:secret").ok(t)
	equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
	pushed := user.drayage(t, "push", layout, addr+"/copy/app:2", "--creds", "mary:a:secret").ok(t)
	equal(t, "push prints", pushed, addr+"/copy/app@"+here.Manifest.Digest.String())

	proxy.waitFor(t, addr, "client=CN=mary authorization=Basic ")
	elsewhere := proxy.requests(t, storage)[before:]
	if len(elsewhere) == 0 {
		t.Error("nothing was read from the storage")
	}
	for _, line := range elsewhere {
		if !strings.HasSuffix(line, " client=- authorization=-") {
			t.Errorf("the storage was shown what is for the registry: %s", line)
		}
	}
}

// TestMissingClientCertificate says what is missing, at once, whether a proxy answers with a page or a
// registry hangs up.
func TestMissingClientCertificate(t *testing.T) {
	require(t, "nginx", "docker-registry")
	ca, proxy := newAuthority(t), newNginx(t)
	addr := proxy.listen(t)
	proxy.start(t, proxy.tlsServer(t, ca, addr, "ssl_verify_client on; ssl_client_certificate "+ca.file+";"))
	dir := scratch(t)
	certificate, key := ca.issue(t, "registry", x509.ExtKeyUsageServerAuth)
	writeFile(t, filepath.Join(dir, "tls.crt"), certificate, 0o600)
	writeFile(t, filepath.Join(dir, "tls.key"), key, 0o600)
	own := startRegistry2TLS(t, fmt.Sprintf("{certificate: %q, key: %q, clientcas: [%q]}", dir+"/tls.crt",
		dir+"/tls.key", ca.file))
	for addr, code := range map[string]int{addr: 1, own: 5} {
		o := newHome(t).drayage(t, "fetch", addr+"/team/app:1", "-o", filepath.Join(scratch(t), "layout"),
			"--ca-file", ca.file)
		if o.code != code || !strings.Contains(o.stderr, "certificate") {
			t.Errorf("without the client certificate: exit %d, %s", o.code, o.stderr)
		}
	}
}

// TestLocationOfTLSProxy pushes to registries that do not know of the TLS proxy in front of them: their
// upload addresses begin with http, or lack the port.
func TestLocationOfTLSProxy(t *testing.T) {
	require(t, "nginx", "docker-registry", "skopeo")
	image, here := newSample(t, sample.Options{})
	layout := filepath.Join(scratch(t), "layout")
	drayage(t, "fetch", seed(t, image, startRegistry3(t), "team/app", "1"), "-o", layout).ok(t)
	backend := startRegistry2(t, "", "")
	ca := newAuthority(t)
	for _, host := range []string{"$http_host", "$host"} {
		t.Run(host, func(t *testing.T) {
			proxy := newNginx(t)
			addr := proxy.listen(t)
			proxy.start(t, proxy.tlsServer(t, ca, addr, "location / { proxy_set_header Host "+host+
				"; proxy_redirect off; proxy_pass http://"+backend+"; }"))
			repo := "copy/" + strings.Trim(host, "$")
			pushed := drayage(t, "push", layout, addr+"/"+repo+":2", "--ca-file", ca.file).ok(t)
			equal(t, "push prints", pushed, addr+"/"+repo+"@"+here.Manifest.Digest.String())
			_, got := readManifest(t, backend, repo, "2")
			equal(t, "digest in the registry", got, here.Manifest.Digest)
		})
	}
}
