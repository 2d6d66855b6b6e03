// Package build builds the binaries of a release. The same commit and the same version of Go give the same
// bytes on every machine, in every directory.
package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Target is what a binary runs on.
type Target struct {
	OS, Arch string
	Variant  string // of 32-bit ARM: v7
}

// Targets are all that a release has, in the order of its files.
var Targets = []Target{
	{"darwin", "amd64", ""}, {"darwin", "arm64", ""},
	{"linux", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "arm", "v7"}, {"linux", "ppc64le", ""},
	{"linux", "riscv64", ""}, {"linux", "s390x", ""},
	{"windows", "amd64", ""}, {"windows", "arm64", ""},
}

// String is the target as it stands in the names of files: linux_armv7.
func (t Target) String() string { return t.OS + "_" + t.Arch + t.Variant }

// Platform is the target as OCI writes it.
func (t Target) Platform() v1.Platform {
	return v1.Platform{OS: t.OS, Architecture: t.Arch, Variant: t.Variant}
}

// Executable is the name of the binary.
func (t Target) Executable() string {
	if t.OS == "windows" {
		return "drayage.exe"
	}
	return "drayage"
}

// Source is a commit of the tree, and the version that it becomes.
type Source struct {
	Root    string // of the tree
	Version string // v1.0.0
	Commit  string
	Date    time.Time // of the commit: every file of the release has it
	date    string    // the same, as git writes it
}

var semver = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$`)

// Number is the version without its v.
func (s Source) Number() string { return strings.TrimPrefix(s.Version, "v") }

// Read looks up the commit of the tree at root. A tree with changes, or with files that git does not know, is
// refused unless dirty allows it: nobody could build that release again.
func Read(ctx context.Context, root, version string, dirty bool) (Source, error) {
	s := Source{Root: root, Version: version}
	if !semver.MatchString(version) {
		return s, fmt.Errorf("version %q is not like v1.2.3 or v1.2.3-rc.1: make release VERSION=v1.2.3", version)
	}
	changes, err := s.git(ctx, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return s, err
	}
	if s.Commit, err = s.git(ctx, "rev-parse", "HEAD"); err != nil {
		return s, err
	}
	if changes != "" && !dirty {
		first, _, _ := strings.Cut(changes, "\n")
		const what = "the tree differs from its commit (%s): commit or remove that first, or try -dirty"
		return s, fmt.Errorf(what, first)
	}
	if changes != "" {
		s.Commit += "-dirty"
	}
	if s.date, err = s.git(ctx, "log", "-1", "--format=%cI"); err != nil {
		return s, err
	}
	s.Date, err = time.Parse(time.RFC3339, s.date)
	s.Date = s.Date.UTC()
	return s, err
}

// Unchanged returns an error if the tree is no longer what Read has found: what was built meanwhile may be of
// neither state.
func (s Source) Unchanged(ctx context.Context) error {
	dirty := strings.HasSuffix(s.Commit, "-dirty")
	now, err := Read(ctx, s.Root, s.Version, dirty)
	if err == nil && now.Commit != s.Commit {
		err = fmt.Errorf("its commit was %s, and is %s", s.Commit, now.Commit)
	}
	if err != nil {
		return fmt.Errorf("the tree has changed during the build: %w", err)
	}
	return nil
}

func (s Source) git(ctx context.Context, args ...string) (string, error) {
	return run(exec.CommandContext(ctx, "git", append([]string{"-C", s.Root}, args...)...))
}

// Binary builds the binary of a target.
func (s Source) Binary(ctx context.Context, t Target, out string) error {
	flags := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.commit=%s -X main.date=%s",
		s.Version, s.Commit, s.date)
	_, err := s.Go(ctx, t, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", out,
		"./cmd/drayage")
	return err
}

// Go runs the go command in the tree for a target, and returns what it prints.
func (s Source) Go(ctx context.Context, t Target, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Root
	cmd.Env = append(os.Environ(), settings(t)...)
	return run(cmd)
}

// settings say what the go command would otherwise take from the environment of whoever runs it. GOFLAGS is
// not empty: an empty variable means what go env -w has stored.
func settings(t Target) []string {
	return []string{
		"GOOS=" + t.OS, "GOARCH=" + t.Arch, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly",
		"GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0", "GOARM=7", "GOPPC64=power8", "GORISCV64=rva20u64",
	}
}

// run returns what a program prints on its standard output.
func run(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
