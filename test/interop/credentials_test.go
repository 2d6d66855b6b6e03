//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/sample"
)

// login is how a program writes the file that it and the others then read.
type login struct {
	name string
	argv func(dir, addr string) []string
}

// TestCredentialFiles lets every program log in and every other use what it has stored.
func TestCredentialFiles(t *testing.T) {
	require(t, "docker-registry", "skopeo", "podman")
	image, here := newSample(t, sample.Options{})
	addr := startRegistry2(t, "mary", "a:secret")
	repo := repository(addr, "team/hello")
	repo.User, repo.Password = "mary", "a:secret"
	if err := image.Seed(t.Context(), repo, "1.0"); err != nil {
		t.Fatal(err)
	}
	ref := addr + "/team/hello:1.0"
	engine := startDocker(t)
	for _, by := range []login{
		{"drayage", func(dir, addr string) []string {
			return append(drayageCommand(t, "login", addr, "--authfile", dir+"/config.json").argv, "-u", "mary",
				"--password-stdin")
		}},
		{"docker", func(dir, addr string) []string {
			return []string{"docker", "-H", engine.socket, "--config", dir, "login", "-u", "mary", "--password-stdin",
				addr}
		}},
		{"skopeo", func(dir, addr string) []string {
			return []string{"skopeo", "login", "--tls-verify=false", "--authfile", dir + "/config.json", "-u", "mary",
				"--password-stdin", addr}
		}},
		{"podman", func(dir, addr string) []string {
			return []string{"podman", "login", "--tls-verify=false", "--authfile", dir + "/config.json", "-u", "mary",
				"--password-stdin", addr}
		}},
	} {
		t.Run(by.name, func(t *testing.T) {
			dir := scratch(t)
			file := filepath.Join(dir, "config.json")
			invocation{argv: by.argv(dir, addr), stdin: strings.NewReader("a:secret")}.run(t).ok(t)
			drayage(t, "fetch", ref, "-o", filepath.Join(scratch(t), "layout"), "--authfile", file).ok(t)
			run(t, "skopeo", "inspect", "--raw", "--tls-verify=false", "--authfile", file, "docker://"+ref)
			equal(t, "podman's user", run(t, "podman", "login", "--get-login", "--authfile", file, addr), "mary")
			run(t, "docker", "-H", engine.socket, "--config", dir, "pull", "-q",
				addr+"/team/hello@"+here.Manifest.Digest.String())

			drayage(t, "logout", addr, "--authfile", file).ok(t)
			if o := (invocation{argv: []string{"skopeo", "login", "--get-login", "--authfile", file, addr}}).run(
				t); o.code == 0 {
				t.Errorf("skopeo still finds %s", o.stdout)
			}
			equal(t, "exit code when logged out", drayage(t, "fetch", ref, "-o", filepath.Join(scratch(t), "layout"),
				"--authfile", file).code, 4)
		})
	}
}

// TestCredentialsBesideDockers keeps what docker has in its file, for docker to go on with.
func TestCredentialsBesideDockers(t *testing.T) {
	require(t, "docker-registry", "docker")
	engine := startDocker(t)
	first, second := startRegistry2(t, "mary", "a:secret"), startRegistry2(t, "mary", "a:secret")
	dir := scratch(t)
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte("{\n\t\"detachKeys\": \"ctrl-e,e\"\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := []string{"docker", "-H", engine.socket, "--config", dir, "login", "-u", "mary", "--password-stdin",
		first}
	invocation{argv: argv, stdin: strings.NewReader("a:secret")}.run(t).ok(t)
	here := drayageCommand(t, "login", second, "-u", "mary", "--password-stdin")
	here.stdin, here.env = strings.NewReader("a:secret\n"), []string{"DOCKER_CONFIG=" + dir}
	here.run(t).ok(t)

	invocation{argv: argv, stdin: strings.NewReader("a:secret")}.run(t).ok(t)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{first, second, "ctrl-e,e"} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("%s is lost:\n%s", part, raw)
		}
	}
}
