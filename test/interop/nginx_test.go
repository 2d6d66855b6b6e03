//go:build linux

package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// nginx is the proxy that stands in front of most private registries. Reserve an address for each server with
// listen, then call start.
type nginx struct {
	dir       string
	listeners []*os.File
}

func newNginx(t *testing.T) *nginx {
	t.Helper()
	require(t, "nginx")
	return &nginx{dir: scratch(t)}
}

// listen opens a port, which nginx inherits: nobody else can take it in between. It returns host:port.
func (n *nginx) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the file below is another handle of it
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	n.listeners = append(n.listeners, f)
	return l.Addr().String()
}

// nginxConfig has everything below nginx's own directory, and a log that tells what a client has shown of
// itself.
const nginxConfig = `daemon off;
worker_processes 1;
user root; # only root's nginx looks at this: its workers too may use a private directory
pid nginx.pid;
events { }
http {
  log_format seen '$server_port $status $request_method $uri client=$ssl_client_s_dn authorization=$http_authorization';
  access_log access.log seen;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 0;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-Proto $scheme;
%s
}
`

// start runs nginx with server blocks. Their listen directives name the addresses that were reserved.
func (n *nginx) start(t *testing.T, servers ...string) {
	t.Helper()
	file := filepath.Join(n.dir, "nginx.conf")
	writeFile(t, file, fmt.Appendf(nil, nginxConfig, strings.Join(servers, "\n")), 0o600)
	path, err := find("nginx")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-e", "stderr", "-p", n.dir, "-c", file)
	cmd.ExtraFiles = n.listeners
	inherited := "NGINX="
	for i := range n.listeners {
		inherited += fmt.Sprintf("%d;", 3+i)
	}
	cmd.Env = []string{inherited}
	d, err := startCommand(n.dir, cmd)
	if err != nil {
		t.Fatal(err)
	}
	d.stopAfter(t)
	for _, f := range n.listeners {
		syscall.SetNonblock(int(f.Fd()), true) // which nginx expects and os/exec has undone
	}
	err = d.ready(func() error {
		_, err := os.Stat(filepath.Join(n.dir, "nginx.pid")) // written when the configuration has been read
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tlsServer is a server block for TLS. What locations and settings it has is up to the caller.
func (n *nginx) tlsServer(t *testing.T, ca *authority, addr, settings string) string {
	t.Helper()
	certificate, key := ca.issue(t, "nginx", x509.ExtKeyUsageServerAuth)
	name := filepath.Join(n.dir, strings.ReplaceAll(addr, ":", "_"))
	writeFile(t, name+".crt", certificate, 0o600)
	writeFile(t, name+".key", key, 0o600)
	return fmt.Sprintf("server { listen %s ssl; ssl_certificate %s.crt; ssl_certificate_key %s.key;\n%s }", addr,
		name, name, settings)
}

// passwords makes nginx ask for the Basic credentials of a user.
func (n *nginx) passwords(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(n.dir, "htpasswd")
	writeFile(t, file, []byte(user+":"+string(hash)+"\n"), 0o600)
	return fmt.Sprintf("auth_basic \"corp\"; auth_basic_user_file %s;", file)
}

// requests are the lines of the log about requests to one server.
func (n *nginx) requests(t *testing.T, addr string) []string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool {
		return !strings.HasPrefix(line, port+" ")
	})
}

// waitFor waits until nginx has logged a request with the given words. It logs a request when it has done
// with it, which may be after the client has.
func (n *nginx) waitFor(t *testing.T, addr, words string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		lines := n.requests(t, addr)
		if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, words) }) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatalf("nginx has seen no %q:\n%s", words, strings.Join(lines, "\n"))
		}
	}
}
