//go:build linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// listening is how docker-registry says which port it was given.
var listening = regexp.MustCompile(`msg="listening on ([0-9.]+:[0-9]+)(?:, tls)?"`)

// startRegistry2 runs Debian's docker-registry (distribution 2.8) and returns its host:port. With a user it
// asks for these Basic credentials.
func startRegistry2(t *testing.T, user, password string) string {
	t.Helper()
	if user == "" {
		return startRegistry2With(t, "")
	}
	passwords := filepath.Join(scratch(t), "htpasswd")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(passwords, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startRegistry2With(t, fmt.Sprintf("auth: {htpasswd: {realm: drayage, path: %q}}\n", passwords))
}

// startRegistry2With is startRegistry2 with more lines of configuration.
func startRegistry2With(t *testing.T, more string) string {
	t.Helper()
	return startRegistry2HTTP(t, "", more)
}

// startRegistry2TLS runs it with a tls section of its own configuration.
func startRegistry2TLS(t *testing.T, tls string) string {
	t.Helper()
	return startRegistry2HTTP(t, ", tls: "+tls, "")
}

func startRegistry2HTTP(t *testing.T, http, more string) string {
	t.Helper()
	require(t, "docker-registry")
	dir := scratch(t)
	config := fmt.Sprintf("version: 0.1\nlog: {level: info, formatter: text}\n"+
		"storage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: \"127.0.0.1:0\"%s}\n", filepath.Join(dir, "data"),
		http)
	config += more
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := startDaemon(dir, "docker-registry", "serve", file)
	if err != nil {
		t.Fatal(err)
	}
	d.stopAfter(t)
	var addr string
	err = d.ready(func() error {
		log, err := os.ReadFile(d.log)
		if err != nil {
			return err
		}
		match := listening.FindSubmatch(log)
		if match == nil {
			return fmt.Errorf("no port is named in %s", d.log)
		}
		addr = string(match[1])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
