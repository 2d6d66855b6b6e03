// Package engine asks a Docker engine what images it has, by its API
// (https://docs.docker.com/reference/api/engine/). It changes nothing there. [Connect] finds the engine as
// the docker command does, and [Client.Images] lists what it has. Everything that an engine says is bounded.
package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"drayage/internal/certfile"
	"drayage/internal/kind"
	"drayage/internal/usage"
)

// Socket is where an engine listens unless DOCKER_HOST says otherwise.
const Socket = "unix:///var/run/docker.sock"

// The limits of what is waited for and read.
const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 2 * time.Minute // an engine with very many images thinks before it lists them
	maxAnswer     = 64 << 20        // bytes; an image in the list has about one kilobyte
	maxMessage    = 4 << 10         // bytes of an error
)

// Client asks one engine. It may be used concurrently.
type Client struct {
	Address string // as DOCKER_HOST has it
	http    *http.Client
	base    string
}

// Connect returns a client for the engine that the environment names: DOCKER_HOST with unix:// or tcp://, and
// DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. It connects when it is asked something. Close it after use.
func Connect(getenv func(string) string) (*Client, error) {
	c := &Client{Address: getenv("DOCKER_HOST")}
	if c.Address == "" {
		c.Address = Socket
	}
	scheme, rest, _ := strings.Cut(c.Address, "://")
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{ResponseHeaderTimeout: answerTimeout, MaxIdleConnsPerHost: parallelImages}
	c.http = &http.Client{Transport: transport}
	switch {
	case scheme == "unix" && runtime.GOOS == "windows" && getenv("DOCKER_HOST") == "":
		return nil, usage.Errorf("set DOCKER_HOST to the address of the engine, such as tcp://127.0.0.1:2375: " +
			"drayage reaches none by Windows' named pipe")
	case scheme == "unix" && rest != "":
		c.base = "http://docker"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", rest)
		}
		return c, nil
	case scheme == "tcp" && rest != "" && !strings.ContainsAny(rest, "/?#@"):
		transport.DialContext = dialer.DialContext
		transport.TLSHandshakeTimeout = dialTimeout
		return c, c.reach(rest, getenv)
	case scheme == "ssh":
		return nil, usage.Errorf("DOCKER_HOST is %q: run drayage inventory docker on that machine, "+
			"or give the address as unix:// or tcp://", c.Address)
	}
	return nil, usage.Errorf("DOCKER_HOST is %q: give unix:///PATH or tcp://HOST:PORT", c.Address)
}

// reach finds out how an engine behind tcp:// is spoken to.
func (c *Client) reach(host string, getenv func(string) string) error {
	dir, scheme, port := getenv("DOCKER_CERT_PATH"), "http", "2375"
	if dir != "" || getenv("DOCKER_TLS_VERIFY") != "" {
		if dir == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return fmt.Errorf("DOCKER_TLS_VERIFY is set, DOCKER_CERT_PATH is not: %w", err)
			}
			dir = filepath.Join(home, ".docker")
		}
		config, err := tlsConfig(dir)
		if err != nil {
			return fmt.Errorf("DOCKER_CERT_PATH: %w", err)
		}
		c.http.Transport.(*http.Transport).TLSClientConfig = config
		scheme, port = "https", "2376"
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	c.base = (&url.URL{Scheme: scheme, Host: host}).String()
	return nil
}

// tlsConfig reads the certificates of a directory as the docker command has it. ca.pem and the pair of
// cert.pem and key.pem may be missing.
func tlsConfig(dir string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	path := filepath.Join(dir, "ca.pem")
	switch raw, err := os.ReadFile(path); {
	case err == nil:
		cas, err := certfile.CAs(raw)
		if err != nil {
			return nil, fmt.Errorf("%s %w", path, err)
		}
		config.RootCAs = x509.NewCertPool()
		for _, ca := range cas {
			config.RootCAs.AddCert(ca)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	switch {
	case err == nil:
		config.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return config, nil
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// get reads an answer into v.
func (c *Client) get(ctx context.Context, path string, limit int64, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(path, resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return c.explain(ctx, err)
	case int64(len(raw)) > limit:
		return fmt.Errorf("%s: the answer to %s has more than %d bytes", c.Address, path, limit)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: the answer to %s is none of a Docker engine: %w", c.Address, path, err)
	}
	return nil
}

// errGone is wrapped by the error about an image that is not there any more.
var errGone = errors.New("not found")

func (c *Client) refused(path string, resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxMessage)) // without it there is the status
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(raw, &said)
	err := fmt.Errorf("%s: %s: %s %q", c.Address, path, resp.Status, said.Message)
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return kind.Errorf(errGone, "%w", err)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return kind.Errorf(fs.ErrPermission, "%w", err)
	case resp.StatusCode >= http.StatusInternalServerError:
		return kind.Errorf(ErrUnavailable, "%w", err)
	}
	return err
}

// ErrUnavailable is wrapped where an engine does not answer.
var ErrUnavailable = errors.New("the engine does not answer")

// explain says of an engine that cannot be reached what may help.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: run it as root, or as a member of the group docker", c.Address, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return kind.Errorf(ErrUnavailable, "no Docker engine answers at %s: start it, or set DOCKER_HOST to "+
			"where it listens (%v)", c.Address, err)
	}
	return kind.Errorf(ErrUnavailable, "%s: %w", c.Address, err)
}
