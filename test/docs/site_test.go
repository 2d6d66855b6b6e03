package docs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

// plain are the registries that speak no TLS.
var plain = []string{"registry.lab:5000"}

// stranger is the registry whose certificate no authority has signed.
const stranger = "strange.corp"

// stock is what the registries hold before a page begins: registry, repository, tags. With "sbom" every image
// has an SBOM, with "signed" a signature, with "windows" it is for Windows; with "password" the registry asks
// for one. With "readonly" it takes no pushes. A registry that stands alone is empty. All others are not
// there.
const stock = `
	registry-1.docker.io library/alpine 3.18 3.19 3.20 3.21 latest
	registry-1.docker.io library/busybox 1.36
	registry-1.docker.io library/nginx 1.27
	registry-1.docker.io library/postgres 17
	registry-1.docker.io library/app 1 sbom
	registry-1.docker.io me/private 1
	ghcr.io team/app 1 sbom
	ghcr.io team/web/app 1
	ghcr.io me/app 1
	ghcr.io team/shop 1.2 signed
	quay.io prometheus/prometheus v3.0.0
	quay.io team/web 1.1 1.2 1.3
	registry.k8s.io pause 3.10
	registry.k8s.io kube-apiserver v1.31.0
	registry.k8s.io coredns/coredns v1.11.3
	registry-1.docker.io team/tool 1 windows
	registry-1.docker.io rancher/mirrored-pause 3.6
	registry-1.docker.io rancher/mirrored-coredns-coredns 1.11.3
	registry.gitlab.com group/project 1
	registry.corp team/app 1.1.3 1.2 1.2.5 1.9 2.0
	registry.corp:5000
	registry.lab:5000
	harbor.corp
	locked.corp team/app 1 password
	strange.corp team/app 1
	readonly.corp team/app 1 readonly
	mirror.corp library/alpine 3.20
	mirror.corp ghcr/team/app 1
	nexus.corp
	corp.jfrog.io team/app 1
	1234.dkr.ecr.eu-west-1.amazonaws.com team/app 1
	europe-docker.pkg.dev
`

// site is a proxy behind which every registry of the stock answers.
type site struct {
	proxy *httptest.Server
	tls   *httptest.Server

	mu         sync.Mutex
	registries map[string]*fakeregistry.Registry
}

// startSite serves a stock of its own, with certificates of the authority.
func startSite(t *testing.T, ca *authority) *site {
	s := &site{registries: map[string]*fakeregistry.Registry{}}
	for line := range strings.Lines(strings.TrimSpace(stock)) {
		words := strings.Fields(line)
		reg := s.registries[words[0]]
		if reg == nil {
			reg = fakeregistry.New()
			s.registries[words[0]] = reg
		}
		if len(words) > 1 {
			fill(t, reg, words[1], words[2:])
		}
	}
	s.tls = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.tls.TLS = &tls.Config{GetCertificate: ca.certificate}
	s.tls.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that are killed or refuse a certificate
	s.tls.StartTLS()
	s.proxy = httptest.NewServer(http.HandlerFunc(s.forward))
	t.Cleanup(s.tls.Close)
	t.Cleanup(s.proxy.Close)
	return s
}

// forward is the proxy.
func (s *site) forward(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		s.serve(w, r)
		return
	}
	to := s.tls.Listener.Addr().String()
	if slices.Contains(plain, r.Host) {
		to = s.proxy.Listener.Addr().String()
	}
	if s.registry(r.Host) == nil {
		http.Error(w, "the stock has no such registry", http.StatusForbidden)
		return
	}
	back, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer back.Close()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(back, conn)
		back.Close()
	}()
	io.Copy(conn, back)
}

// registry returns the registry at a host, or nil.
func (s *site) registry(host string) *fakeregistry.Registry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registries[strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")]
}

// serve answers as the registry that the request is for. Nexus and Artifactory have the API below a path.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	reg := s.registry(r.Host)
	if reg == nil {
		http.Error(w, "no such host", http.StatusBadGateway)
		return
	}
	if i := strings.Index(r.URL.Path, "/v2/"); i > 0 {
		r.URL.Path = r.URL.Path[i:]
	}
	if repo, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list"); ok {
		if _, manifests, _ := reg.Stored(repo); manifests == 0 {
			fakeregistry.Status(http.StatusNotFound)(nil).ServeHTTP(w, r)
			return
		}
	}
	reg.ServeHTTP(w, r)
}

// cosignKey signs images of the stock.
var cosignKey = imagetest.NewCosignKey()

// base is the layer that all images share.
var base = fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"base": strings.Repeat("base", 5000)}))

// fill puts an image for two platforms under each tag.
func fill(t *testing.T, reg *fakeregistry.Registry, repo string, tags []string) {
	system := v1.Platform{OS: "linux"}
	if slices.Contains(tags, "windows") {
		system = v1.Platform{OS: "windows", OSVersion: "10.0.17763.1"}
	}
	if slices.Contains(tags, "password") {
		reg.RequireBasic("ann", "secret")
	}
	if slices.Contains(tags, "readonly") {
		denied := fakeregistry.Answer(http.StatusForbidden, `{"errors":[{"code":"DENIED","message":"no push"}]}`)
		reg.On(fakeregistry.Match{Method: http.MethodPost}, denied)
	}
	words := []string{"sbom", "signed", "windows", "password", "readonly"}
	word := func(s string) bool { return slices.Contains(words, s) }
	for _, tag := range slices.DeleteFunc(slices.Clone(tags), word) {
		top := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"name": repo + ":" + tag}))
		var children []v1.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			im := fakeregistry.Image{Layers: []fakeregistry.Layer{base, top}}
			im.Platform = system
			im.Platform.Architecture = arch
			im.Config.Config = v1.ImageConfig{Cmd: []string{"/run"}, Labels: map[string]string{"tag": tag}}
			children = append(children, reg.PutImage(repo, "", im))
		}
		index := reg.PutIndex(repo, tag, false, children...)
		if slices.Contains(tags, "signed") {
			reg.PutSignature(repo, cosignKey, index.Digest, "ghcr.io/"+repo)
		}
		if slices.Contains(tags, "sbom") {
			sign(t, reg, repo, index)
		}
	}
}

// sign adds an SBOM to an image.
func sign(t *testing.T, reg *fakeregistry.Registry, repo string, im v1.Descriptor) {
	config, blob := reg.PutBlob(repo, []byte("{}")), reg.PutBlob(repo, []byte("sbom"))
	config.MediaType, blob.MediaType = v1.MediaTypeEmptyJSON, "application/spdx+json"
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/spdx+json",
		Config: config, Layers: []v1.Descriptor{blob}, Subject: &im}
	m.SchemaVersion = 2
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	sbom := reg.PutManifest(repo, "", m.MediaType, raw)
	reg.PutIndex(repo, "sha256-"+im.Digest.Encoded(), false, sbom)
}

// authority signs a certificate for every host that is asked for.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return &authority{cert: cert, key: key, leaves: map[string]*tls.Certificate{}}, err
}

// pem is the certificate of the authority as a file has it.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if leaf := a.leaves[hello.ServerName]; leaf != nil {
		return leaf, nil
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(len(a.leaves) + 2)),
		DNSNames: []string{hello.ServerName}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter}
	parent := a.cert
	if hello.ServerName == stranger {
		parent = tmpl
	}
	raw, err := x509.CreateCertificate(rand.Reader, tmpl, parent, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf := &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: a.key}
	a.leaves[hello.ServerName] = leaf
	return leaf, nil
}
