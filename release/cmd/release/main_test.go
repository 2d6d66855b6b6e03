package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"aead.dev/minisign"

	"drayage/release/notices"
)

// made is a release for the platform of this machine, which all tests share. It is signed.
var made struct {
	base      string // a directory with all of it
	tree, out string
	files     []string
}

func TestMain(m *testing.M) {
	code := 1
	err := prepare()
	if err == nil {
		code = m.Run()
	} else {
		os.Stderr.WriteString(err.Error() + "\n")
	}
	os.RemoveAll(made.base)
	os.Exit(code)
}

func prepare() (err error) {
	if made.base, err = os.MkdirTemp("", "release-"); err != nil {
		return err
	}
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	secret, err := private.MarshalText()
	if err != nil {
		return err
	}
	text, err := public.MarshalText()
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(filepath.Join(made.base, "key"), secret, 0o600),
		os.WriteFile(filepath.Join(made.base, "key.pub"), text, 0o644))
	if err != nil {
		return err
	}
	made.tree, made.out = filepath.Join(made.base, "tree"), filepath.Join(made.base, "out")
	if err := copyTree(made.tree); err != nil {
		return err
	}
	if err := release(made.tree, made.out); err != nil {
		return err
	}
	entries, err := os.ReadDir(made.out)
	for _, e := range entries {
		made.files = append(made.files, e.Name())
	}
	return err
}

const version = "v1.2.3"

// release makes a release of a tree.
func release(tree, out string, more ...string) error {
	args := []string{"-version", version, "-root", tree, "-o", out, "-platforms", here(),
		"-key", filepath.Join(made.base, "key"), "-public-key", filepath.Join(made.base, "key.pub")}
	return run(context.Background(), append(args, more...), io.Discard)
}

func here() string { return runtime.GOOS + "_" + runtime.GOARCH }

// copyTree commits what git has of this tree, as it is on the disk, in a repository of its own. Two copies
// have the same commit.
func copyTree(to string) error {
	out, err := exec.Command("git", "-C", "../../..", "ls-files", "-z").Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		raw, err := os.ReadFile(filepath.Join("../../..", name))
		if err != nil {
			return err
		}
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "all"}} {
		cmd := exec.Command("git", append([]string{"-C", to, "-c", "user.name=a", "-c", "user.email=a@example.com",
			"-c", "commit.gpgsign=false"}, args...)...)
		const date = "2026-01-02T03:04:05Z"
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
		if out, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(err, errors.New(string(out)))
		}
	}
	return nil
}

// TestSameBytes builds again in another directory, in another time zone, with nothing of the first build at
// hand.
func TestSameBytes(t *testing.T) {
	tree, out := filepath.Join(t.TempDir(), "a", "longer", "way"), filepath.Join(t.TempDir(), "out")
	if err := copyTree(tree); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	if err := release(tree, out); err != nil {
		t.Fatal(err)
	}
	for _, name := range made.files {
		a, b := read(t, made.out, name), read(t, out, name)
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", name)
		}
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != len(made.files) {
		t.Errorf("%d files, not %d: %v", len(entries), len(made.files), err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// archive is the one for this machine, unpacked: the content by name, and the modes.
func archive(t *testing.T) (map[string][]byte, map[string]int64) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, made.out, "drayage_1.2.3_"+here()+".tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	content, modes := map[string][]byte{}, map[string]int64{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return content, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(h.Name, "drayage_1.2.3_"+here()+"/")
		if content[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		modes[name] = h.Mode
	}
}

func TestArchiveIsWhole(t *testing.T) {
	content, modes := archive(t)
	for _, name := range []string{"LICENSE", "README.md", "THIRD-PARTY-NOTICES", "sbom.cdx.json", "drayage",
		"man/man1/drayage.1", "man/man1/drayage-fetch.1", "completions/drayage.bash", "completions/_drayage",
		"completions/drayage.fish", "completions/drayage.ps1"} {
		if len(content[name]) == 0 {
			t.Errorf("there is no %s", name)
		}
		if want := int64(0o644); name != "drayage" && modes[name] != want {
			t.Errorf("%s has the mode %o", name, modes[name])
		}
	}
	const most = 22 << 20 // serve, its pages and names take 2.4 MB of it
	if n := len(content["drayage"]); n > most || modes["drayage"] != 0o755 {
		t.Errorf("the binary has %d bytes and the mode %o", n, modes["drayage"])
	}
	path := filepath.Join(t.TempDir(), "drayage")
	if err := os.WriteFile(path, content["drayage"], 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "version").CombinedOutput()
	said := string(out)
	if err != nil || !strings.Contains(said, "drayage v1.2.3\n") || !strings.Contains(said, "2026-01-02") {
		t.Errorf("drayage version: %v\n%s", err, out)
	}
}

// TestNoticesAreWhole compares the notices with the SBOM, and with texts that have to stand in them.
func TestNoticesAreWhole(t *testing.T) {
	content, _ := archive(t)
	text := string(content["THIRD-PARTY-NOTICES"])
	var bom struct {
		SerialNumber string
		Metadata     struct{ Timestamp string }
		Components   []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(content["sbom.cdx.json"], &bom); err != nil {
		t.Fatal(err)
	}
	if bom.SerialNumber != "" || bom.Metadata.Timestamp != "2026-01-02T03:04:05Z" {
		t.Errorf("the SBOM says %+v", bom)
	}
	var names []string
	for _, c := range bom.Components {
		names = append(names, c.Name)
		if c.Name != "std" && strings.Count(text, c.Name+" "+c.Version) < 2 {
			t.Errorf("%s %s has no text in the notices", c.Name, c.Version)
		}
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%s has the purl %s", c.Name, c.PURL)
		}
	}
	for _, name := range []string{"std", "github.com/urfave/cli/v2", "github.com/klauspost/compress"} {
		if !slices.Contains(names, name) {
			t.Errorf("the SBOM lacks %s", name)
		}
	}
	for _, part := range []string{"The Go Authors", "Copyright (c) 2019 Klaus Post", "Apache License"} {
		if !strings.Contains(text, part) {
			t.Errorf("the notices lack %q", part)
		}
	}
}

func TestIdentify(t *testing.T) {
	mit := "Permission is hereby granted, free of charge, ... The software is provided \"as is\" "
	bsd := "Redistribution and use in source and\nbinary forms, with or without"
	for text, want := range map[string]string{
		bsd: "BSD-2-Clause", bsd + " ... endorse or promote products": "BSD-3-Clause",
		mit + bsd: "BSD-2-Clause MIT", "all rights reserved": "",
	} {
		if got := strings.Join(notices.Identify([]byte(text)), " "); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
}

// TestKeyIsReadFirst: a wrong key must not show after minutes of building.
func TestKeyIsReadFirst(t *testing.T) {
	key := filepath.Join(t.TempDir(), "none")
	var said bytes.Buffer
	err := run(t.Context(), []string{"-version", version, "-root", made.tree, "-dirty", "-platforms", here(),
		"-o", filepath.Join(t.TempDir(), "out"), "-key", key}, &said)
	if err == nil || !strings.Contains(err.Error(), "no such file") || said.Len() > 0 {
		t.Errorf("%v, after %q", err, said.String())
	}
}

func TestRefused(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	near, binaries := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(near, "drayage"), 0o755); err != nil { // a source tree, maybe
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(binaries, "drayage"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.pub")
	public, _, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wrong, []byte(public.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no version":         {[]string{"-version", ""}, "VERSION=v1.0.0"},
		"no semantic one":    {[]string{"-version", "abc1234"}, "not like v1.2.3"},
		"a way out":          {[]string{"-version", "v1.2.3-../../x"}, "not like v1.2.3"},
		"unknown platform":   {[]string{"-platforms", "linux_sparc"}, "linux_s390x"},
		"directory in use":   {[]string{"-o", other}, "thesis.tex"},
		"beside a tree":      {[]string{"-o", near}, "is no file of a release"},
		"beside a binary":    {[]string{"-o", binaries}, "is no file of a release"},
		"no repository":      {[]string{"-root", other}, "not a git repository"},
		"another public key": {[]string{"-public-key", wrong}, "does not belong"},
		"no key":             {[]string{"-key", filepath.Join(other, "none")}, "no such file"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		err := release(made.tree, out, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(out + "*"); left != nil {
			t.Errorf("%s: %v is left", name, left)
		}
	}
	if err := os.WriteFile(filepath.Join(made.tree, "LICENSE"), []byte("none"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = release(made.tree, filepath.Join(t.TempDir(), "out"))
	if err == nil || !strings.Contains(err.Error(), "differs from its commit") {
		t.Errorf("a changed tree: %v", err)
	}
}

// TestAPKHasItsSum takes an apk apart as Alpine's apk does: .PKGINFO in front holds the sum of the rest.
func TestAPKHasItsSum(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(made.out, "*.apk"))
	if err != nil || len(names) != 1 {
		t.Skipf("%d packages for this machine: %v", len(names), err)
	}
	raw := read(t, made.out, filepath.Base(names[0]))
	rest := bytes.NewReader(raw)
	z, err := gzip.NewReader(rest)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	r := tar.NewReader(z)
	if h, err := r.Next(); err != nil || h.Name != ".PKGINFO" {
		t.Fatalf("the first entry is %v: %v", h, err)
	}
	info, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("datahash = %x\n", sha256.Sum256(raw[len(raw)-rest.Len():]))
	if !strings.Contains(string(info), want) {
		t.Errorf("%s has not %s", info, want)
	}
	for line := range strings.Lines(string(info)) {
		if !strings.Contains(line, " = ") {
			t.Errorf("apk does not understand the line %q", line)
		}
	}
}
