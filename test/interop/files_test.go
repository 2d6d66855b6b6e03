//go:build linux

package interop

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/tokenserver"
)

// TestPasswordsOfRepositories has a file in which podman keeps passwords for parts of a registry. skopeo and
// drayage read the same.
func TestPasswordsOfRepositories(t *testing.T) {
	require(t, "skopeo")
	image, here := newSample(t, sample.Options{})
	dir := seedDir(t, image, "team/app", "1")
	open := startRegistry(t, registry3.Options{Dir: dir})
	seed(t, image, open.Addr(), "other/app", "1")
	addr := startRegistry(t, registry3.Options{Dir: dir, User: "mary", Password: "a:secret"}).Addr()
	auth := func(password string) string { return base64.StdEncoding.EncodeToString([]byte("mary:" + password)) }
	user := newHome(t)
	file := user.write(t, "auth.json", fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}, %q: {"auth": %q}}}`, addr,
		auth("outdated"), addr+"/team", auth("a:secret")))

	raw := user.skopeo(t, "inspect", "--config", "--raw", "--tls-verify=false", "--authfile", file,
		"docker://"+addr+"/team/app:1")
	equal(t, "image ID by skopeo", digest.FromString(raw), here.Config)
	equal(t, "configuration", user.drayage(t, "config", addr+"/team/app:1", "--authfile", file).stdoutOf(t), raw)
	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", addr+"/team/app:1", "-o", layout, "--authfile", file).ok(t)
	user.drayage(t, "push", layout, addr+"/team/copy:1", "--authfile", file).ok(t)

	refused := user.in(invocation{argv: []string{"skopeo", "inspect", "--tls-verify=false", "--authfile", file,
		"docker://" + addr + "/other/app:1"}}).run(t)
	if refused.code == 0 {
		t.Error("skopeo was let in with an outdated password")
	}
	equal(t, "exit code with an outdated password", user.drayage(t, "config", addr+"/other/app:1", "--authfile",
		file).code, 4)
}

// TestLocationInRegistriesConf reads images under names that registries.conf makes others of.
func TestLocationInRegistriesConf(t *testing.T) {
	require(t, "skopeo")
	image, here := newSample(t, sample.Options{})
	addr := startRegistry3(t)
	seed(t, image, addr, "real/place/app", "1")
	user := newHome(t)
	conf := user.write(t, "elsewhere.conf", fmt.Appendf(nil, `
[[registry]]
prefix = "registry.example/team"
location = "%s/real/place"
insecure = true

[[registry]]
location = "blocked.example"
blocked = true
[[registry.mirror]]
location = "%s/real/place"
insecure = true
`, addr, addr))
	as := func(i invocation) invocation {
		i = user.in(i)
		i.env = append(i.env, "CONTAINERS_REGISTRIES_CONF="+conf)
		return i
	}
	for _, ref := range []string{"registry.example/team/app:1", "blocked.example/app:1"} {
		layout := filepath.Join(scratch(t), "layout")
		as(drayageCommand(t, "fetch", ref, "-o", layout)).run(t).ok(t)
		equal(t, "digest", rawDigest(t, "oci:"+layout+":1"), here.Manifest.Digest)
		equal(t, "ls", as(drayageCommand(t, "ls", "-q", layout)).run(t).ok(t), ref)
		theirs := user.skopeo(t, "inspect", "--registries-conf", conf, "--config", "--raw", "docker://"+ref)
		equal(t, "configuration by skopeo", theirs, as(drayageCommand(t, "config", ref)).run(t).stdoutOf(t))
	}
	if o := as(drayageCommand(t, "push", tarOf(t, addr), "blocked.example/app:2")).run(t); o.code == 0 {
		t.Error("pushed to a registry that is blocked")
	}
}

// tarOf saves the image of the test above.
func tarOf(t *testing.T, addr string) string {
	t.Helper()
	tar := filepath.Join(scratch(t), "saved.tar")
	drayage(t, "save", addr+"/real/place/app:1", "-o", tar).ok(t)
	return tar
}

// TestTokenServerOfPrivateCA has, as GitLab has, a registry and a token server on two hosts with certificates
// of one private CA. The CA stands in the registry's directory only.
func TestTokenServerOfPrivateCA(t *testing.T) {
	require(t, "nginx", "skopeo")
	image, here := newSample(t, sample.Options{})
	tokens := startTokens(t, tokenserver.Options{})
	guarded := startRegistry(t, registry3.Options{Token: tokens, Dir: seedDir(t, image, "team/app", "1")})
	ca, proxy := newAuthority(t), newNginx(t)
	addr, realm := proxy.listen(t), proxy.listen(t)
	rewrite := fmt.Sprintf(
		`map $upstream_http_www_authenticate $challenge { "~^Bearer realm=\"[^\"]*\"(?<rest>.*)$" 'Bearer realm="https://%s/token"$rest'; }`, realm)
	proxy.start(t, rewrite,
		proxy.tlsServer(t, ca, addr,
			"location / { proxy_hide_header WWW-Authenticate; add_header WWW-Authenticate $challenge always; "+
				"proxy_pass "+guarded.URL()+"; }"),
		proxy.tlsServer(t, ca, realm, "location = /token { proxy_pass "+tokens.Realm()+"; }"))

	user := newHome(t)
	user.write(t, ".config/containers/certs.d/"+addr+"/ca.crt", ca.pem)
	user.login(t, addr, "mary", "a:secret")
	raw := user.skopeo(t, "inspect", "--config", "--raw", "docker://"+addr+"/team/app:1")
	equal(t, "image ID by skopeo", digest.FromString(raw), here.Config)
	layout := filepath.Join(scratch(t), "layout")
	user.drayage(t, "fetch", addr+"/team/app:1", "-o", layout).ok(t)
	equal(t, "push prints", user.drayage(t, "push", layout, addr+"/copy/app:2").ok(t),
		addr+"/copy/app@"+here.Manifest.Digest.String())
	proxy.waitFor(t, realm, " 200 GET /token client=- authorization=Basic ")
}
