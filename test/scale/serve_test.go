package scale

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// served are the objects with which a cluster serves images.
type served struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	policy     *networkingv1.NetworkPolicy
}

func newServed(t *testing.T) (s served) {
	t.Helper()
	for _, o := range built(t, filepath.Join(manifests, "serve")) {
		switch o := o.(type) {
		case *appsv1.Deployment:
			s.deployment = o
		case *corev1.Service:
			s.service = o
		case *networkingv1.NetworkPolicy:
			if o.Name == "drayage-serve" {
				s.policy = o
			}
		}
	}
	if s.deployment == nil || s.service == nil || s.policy == nil {
		t.Fatalf("something is missing: %+v", s)
	}
	return s
}

// TestServeIsReached checks that labels and ports lead from the Service and the policy to the pods.
func TestServeIsReached(t *testing.T) {
	s := newServed(t)
	labels := fmt.Sprint(s.deployment.Spec.Template.Labels)
	for what, selector := range map[string]map[string]string{
		"the Deployment": s.deployment.Spec.Selector.MatchLabels, "the Service": s.service.Spec.Selector,
		"the policy": s.policy.Spec.PodSelector.MatchLabels,
	} {
		if fmt.Sprint(selector) != labels {
			t.Errorf("%s selects %v, and pods have %v", what, selector, labels)
		}
	}
	ports := map[string]string{} // by what the command listens to
	pod := s.deployment.Spec.Template.Spec.Containers[0]
	for _, p := range pod.Ports {
		ports[p.Name] = fmt.Sprint(":", p.ContainerPort)
	}
	if ports["registry"] != flag(pod.Args, "--addr") || ports["metrics"] != flag(pod.Args, "--metrics") {
		t.Errorf("ports %v, arguments %v", ports, pod.Args)
	}
	used := []string{s.service.Spec.Ports[0].TargetPort.StrVal}
	for _, rule := range s.policy.Spec.Ingress {
		for _, p := range rule.Ports {
			used = append(used, p.Port.StrVal)
		}
	}
	for _, name := range used {
		if ports[name] == "" {
			t.Errorf("the pod has no port %s", name)
		}
	}
	grace, err := time.ParseDuration(flag(pod.Args, "--grace"))
	if end := s.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds; err != nil ||
		grace >= time.Duration(*end)*time.Second {
		t.Errorf("requests may run for %v, and the pod is killed after %d s", grace, *end)
	}
}

func flag(args []string, name string) string {
	for _, a := range args {
		if value, found := strings.CutPrefix(a, name+"="); found {
			return value
		}
	}
	return ""
}

// TestServeRuns runs the command line of the Deployment, and asks what its probes and nodes ask.
func TestServeRuns(t *testing.T) {
	pod := newServed(t).deployment.Spec.Template.Spec.Containers[0]
	dir := t.TempDir()
	images, err := Fill(filepath.Join(dir, "images", "layout"), 3, 1000)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: certificate(t, dir)}}}
	here := strings.NewReplacer("/images", filepath.Join(dir, "images"), "/etc/drayage/tls", dir,
		"=:5000", "=127.0.0.1:0", "=:9090", "=127.0.0.1:0")
	var args []string
	for _, a := range pod.Args {
		args = append(args, here.Replace(a))
	}
	cmd := exec.CommandContext(t.Context(), command, args...)
	cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + dir, "DRAYAGE_CONFIG=" + os.DevNull}
	said, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	url, _ := bufio.NewReader(out).ReadString('\n')
	url = strings.TrimSpace(url)
	for _, probe := range []*corev1.Probe{pod.StartupProbe, pod.ReadinessProbe, pod.LivenessProbe} {
		if get := probe.HTTPGet; get.Scheme != corev1.URISchemeHTTPS || get.Port.StrVal != "registry" {
			t.Errorf("%+v", get)
		}
		answer(t, client, url+probe.HTTPGet.Path)
	}
	im := images[0]
	answer(t, client, url+"/v2/"+im.Repository+"/manifests/"+im.Tag)
	text, err := os.ReadFile(said.Name())
	if err != nil {
		t.Fatal(err)
	}
	_, metrics, _ := strings.Cut(string(text), "metrics: ")
	metrics, _, _ = strings.Cut(metrics, "\n")
	if got := answer(t, client, metrics); !strings.Contains(got, "\n# TYPE ") {
		t.Errorf("metrics: %.200s", got)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func answer(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(url, resp.Status, err)
	}
	return string(body)
}

// certificate writes tls.crt and tls.key for 127.0.0.1, as a Secret has them.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert},
		"tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		raw := pem.EncodeToMemory(block)
		pool.AppendCertsFromPEM(raw)
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}
