package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installation is a run of install.sh.
type installation struct {
	home string
	dir  string // a copy of the release, without its image
	path string // of programs; empty: all
}

func newInstallation(t *testing.T) installation {
	t.Helper()
	i := installation{home: t.TempDir(), dir: t.TempDir()}
	for _, name := range made.files {
		if strings.HasSuffix(name, "_image.tar") {
			continue
		}
		if err := os.WriteFile(filepath.Join(i.dir, name), read(t, made.out, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// run runs the script and returns what it says.
func (i installation) run(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Dir = t.TempDir()
	path := i.path
	if path == "" {
		path = os.Getenv("PATH")
	}
	cmd.Env = []string{"HOME=" + i.home, "PATH=" + path}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// local has the flags of a run that installs for one user, whoever runs the test.
func (i installation) local(more ...string) []string {
	return append([]string{"--prefix", i.home + "/.local"}, more...)
}

func (i installation) binary() string { return filepath.Join(i.home, ".local/bin/drayage") }

func (i installation) check(t *testing.T, said string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	out, err := exec.Command(i.binary(), "version").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("drayage v1.2.3")) {
		t.Errorf("drayage version: %v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(i.home, ".local/share/man/man1/drayage-fetch.1")); err != nil {
		t.Error(err)
	}
}

func (i installation) nothing(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(i.home, ".local")); err == nil {
		t.Error("something was installed")
	}
}

func TestInstallFromItsDirectory(t *testing.T) {
	i := newInstallation(t)
	script := filepath.Join(i.dir, "install.sh")
	said, err := i.run(t, script, i.local()...)
	i.check(t, said, err)
	if !strings.Contains(said, "SHA-256: right") || !strings.Contains(said, `export PATH="`+i.home) {
		t.Errorf("it says %s", said)
	}
	if said, err := i.run(t, script, i.local("--uninstall")...); err != nil {
		t.Errorf("%v %s", err, said)
	}
	err = filepath.Walk(i.home, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestInstallFromServer downloads by each of the programs that may be there.
func TestInstallFromServer(t *testing.T) {
	for _, program := range []string{"curl", "wget"} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(err)
			}
			i := newInstallation(t)
			i.path = pathWithout(t, map[string]string{"curl": "wget", "wget": "curl"}[program])
			server := httptest.NewServer(http.FileServer(http.Dir(i.dir)))
			defer server.Close()
			script := filepath.Join(t.TempDir(), "install.sh") // away from the files
			if err := os.WriteFile(script, read(t, made.out, "install.sh"), 0o644); err != nil {
				t.Fatal(err)
			}
			said, err := i.run(t, script, i.local("--from", server.URL)...)
			i.check(t, said, err)
			other := newInstallation(t)
			said, err = other.run(t, script, other.local("--from", server.URL+"/none")...)
			if err == nil || !strings.Contains(said, "cannot download "+server.URL+"/none/SHA256SUMS") {
				t.Errorf("from nowhere: %v %s", err, said)
			}
			other.nothing(t)
		})
	}
}

// pathWithout is a directory with links to what the script needs, but not to the named programs.
func pathWithout(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"awk", "cat", "chmod", "cp", "curl", "dirname", "gzip", "id", "mkdir",
		"mktemp", "mv", "rm", "sha256sum", "tar", "uname", "wget"} {
		path, err := exec.LookPath(name)
		if err != nil || strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
			continue
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestInstallRefuses spoils what the script relies on. It has to say so and install nothing.
func TestInstallRefuses(t *testing.T) {
	name := "drayage_1.2.3_" + here() + ".tar.gz"
	for _, c := range []struct {
		title string
		spoil func(t *testing.T, i *installation)
		args  []string
		want  string
	}{
		{"damaged archive", func(t *testing.T, i *installation) {
			raw := read(t, i.dir, name)
			raw[len(raw)/2] ^= 1
			put(t, filepath.Join(i.dir, name), raw)
		}, nil, "nothing installed"},
		{"no archive", func(t *testing.T, i *installation) {
			if err := os.Remove(filepath.Join(i.dir, name)); err != nil {
				t.Fatal(err)
			}
		}, nil, "has no file " + name},
		{"not in the sums", func(t *testing.T, i *installation) {
			put(t, filepath.Join(i.dir, "SHA256SUMS"), []byte("00  other\n"))
		}, nil, "does not list " + name},
		{"no program for sums", func(t *testing.T, i *installation) {
			i.path = pathWithout(t, "sha256sum")
		}, nil, "cannot be checked"},
		{"no minisign", func(t *testing.T, i *installation) { i.path = pathWithout(t) },
			[]string{"--require-signature"}, "minisign is not installed"},
		{"unknown flag", func(*testing.T, *installation) {}, []string{"--fast"}, "unknown argument --fast"},
		{"flag without a value", func(*testing.T, *installation) {}, []string{"--from"}, "--from needs a value"},
		{"empty value", func(*testing.T, *installation) {}, []string{"--prefix", ""}, "--prefix needs a value"},
		{"empty after =", func(*testing.T, *installation) {}, []string{"--prefix="}, "--prefix needs a value"},
	} {
		t.Run(c.title, func(t *testing.T) {
			i := newInstallation(t)
			// Without minisign, the sums alone have to find it.
			i.path = pathWithout(t)
			c.spoil(t, &i)
			said, err := i.run(t, filepath.Join(i.dir, "install.sh"), i.local(c.args...)...)
			if err == nil || !strings.Contains(said, c.want) {
				t.Errorf("%v %s", err, said)
			}
			i.nothing(t)
		})
	}
}

// TestInstallKeepsWhatWorks has a program in the archive that does not run here.
func TestInstallKeepsWhatWorks(t *testing.T) {
	i := newInstallation(t)
	script := filepath.Join(i.dir, "install.sh")
	said, err := i.run(t, script, i.local()...)
	i.check(t, said, err)
	name := "drayage_1.2.3_" + here()
	out, err := exec.Command("sh", "-euc", `cd "$0" && mkdir "$1" && printf '#!/bin/sh\nexit 1\n' >"$1/drayage"
		tar -czf "$1.tar.gz" "$1" && sha256sum "$1.tar.gz" >SHA256SUMS`, i.dir, name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	i.path = pathWithout(t) // without minisign, which would notice
	said, err = i.run(t, script, i.local()...)
	if err == nil || !strings.Contains(said, "does not run") {
		t.Errorf("%v %s", err, said)
	}
	i.check(t, "", nil)
	if left, _ := filepath.Glob(i.binary() + "*"); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}

// TestInstallForEveryone has a root whose files nobody else may read.
func TestInstallForEveryone(t *testing.T) {
	i := newInstallation(t)
	prefix := filepath.Join(i.home, "local")
	script := filepath.Join(t.TempDir(), "as-root.sh")
	put(t, script, []byte("umask 077; sh '"+i.dir+"/install.sh' --prefix '"+prefix+"'\n"))
	if said, err := i.run(t, script); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	err := filepath.Walk(prefix, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o004 == 0 {
			t.Errorf("%s has the mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestInstallBelowWhereOneIs gives a prefix that is relative: what it says of PATH has to hold everywhere.
func TestInstallBelowWhereOneIs(t *testing.T) {
	i := newInstallation(t)
	said, err := i.run(t, filepath.Join(i.dir, "install.sh"), "--prefix", "-here")
	if err != nil || !strings.Contains(said, `export PATH="/`) {
		t.Errorf("%v %s", err, said)
	}
}

func put(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSignature has minisign itself, where it is installed, look at the signature, and the installer use it.
func TestSignature(t *testing.T) {
	if _, err := exec.LookPath("minisign"); err != nil {
		t.Skip(err)
	}
	sums := filepath.Join(made.out, "SHA256SUMS")
	out, err := exec.Command("minisign", "-Vm", sums, "-p", filepath.Join(made.base, "key.pub")).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("drayage v1.2.3, commit ")) {
		t.Errorf("minisign: %v %s", err, out)
	}
	i := newInstallation(t)
	script := filepath.Join(i.dir, "install.sh")
	said, err := i.run(t, script, i.local("--require-signature")...)
	i.check(t, said, err)
	if !strings.Contains(said, "signature: right") {
		t.Errorf("it says %s", said)
	}
	other := newInstallation(t)
	put(t, filepath.Join(other.dir, "SHA256SUMS"), append(read(t, other.dir, "SHA256SUMS"), "00  x\n"...))
	said, err = other.run(t, filepath.Join(other.dir, "install.sh"), other.local()...)
	if err == nil || !strings.Contains(said, "signature of SHA256SUMS is wrong") {
		t.Errorf("changed sums: %v %s", err, said)
	}
	other.nothing(t)
}
