//go:build linux

package bench

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// deb is a package of Debian in the version that the release began with, and in the newest one.
type deb struct{ name, old, new string }

func (d deb) changed() bool { return d.old != d.new }

// baseSystem asks for what every Debian has. usr-is-merged keeps perl out, as debootstrap does.
var baseSystem = []string{"?essential", "apt", "usr-is-merged"}

// closure lists the packages that apt would install on an empty machine, with their versions.
func closure(ctx context.Context, want ...string) ([]deb, error) {
	argv := append([]string{"apt-get", "-o", "Dir::State::Status=/dev/null", "--no-install-recommends",
		"--print-uris", "-y", "install"}, want...)
	out, err := debian(ctx, "", argv...)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(out)) { // 'URI' FILE SIZE HASH
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(line, "'") {
			name, _, _ := strings.Cut(fields[1], "_")
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("apt-get names no packages")
	}
	slices.Sort(names)
	return versions(ctx, names)
}

// versions asks which versions of packages there are. apt-cache shows the newest first.
func versions(ctx context.Context, names []string) ([]deb, error) {
	out, err := debian(ctx, "", append([]string{"apt-cache", "madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]*deb{}
	for line := range strings.Lines(string(out)) { // NAME | VERSION | URI SUITE/COMPONENT ARCH Packages
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		name, version, suite := fields[0], fields[2], fields[5]
		d := found[name]
		if d == nil {
			d = &deb{name: name, old: version, new: version}
			found[name] = d
		}
		if release, _, _ := strings.Cut(suite, "/"); !strings.Contains(release, "-") {
			d.old = version // not of a suite of updates
		}
	}
	var all []deb
	for _, name := range names {
		if d := found[name]; d != nil {
			all = append(all, *d)
		}
	}
	return all, nil
}

// debian runs a program of Debian, if it is here.
func debian(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, fmt.Errorf("%s of Debian is %w", argv[0], errAbsent)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &said
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %v: %s", argv[0], err, oneLine(said.String()))
	}
	return out, nil
}

// downloadDebs brings packages in their old or their new versions into a directory. What an earlier run has
// brought stays.
func downloadDebs(ctx context.Context, dir string, all []deb, version func(deb) string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var missing []string
	for _, d := range all {
		if len(debFiles(dir, d, version)) == 0 {
			missing = append(missing, d.name+"="+version(d))
		}
	}
	if len(missing) > 0 {
		if _, err := debian(ctx, dir, append([]string{"apt-get", "-q", "download"}, missing...)...); err != nil {
			return nil, err
		}
	}
	var files []string
	for _, d := range all {
		found := debFiles(dir, d, version)
		if len(found) != 1 {
			return nil, fmt.Errorf("apt-get download has left %d files of %s", len(found), d.name)
		}
		files = append(files, found[0])
	}
	return files, nil
}

func oldVersion(d deb) string { return d.old }
func newVersion(d deb) string { return d.new }

// debFiles finds NAME_VERSION_ARCH.deb, where the version has its colon escaped.
func debFiles(dir string, d deb, version func(deb) string) []string {
	found, _ := filepath.Glob(filepath.Join(dir,
		d.name+"_"+strings.ReplaceAll(version(d), ":", "%3a")+"_*.deb"))
	return found
}

// unpackDebs writes the files of packages into one tar, as dpkg puts them into one tree. The scripts of the
// packages do not run. status is what dpkg knows afterwards.
func unpackDebs(ctx context.Context, w io.Writer, files []string, status []byte) error {
	tw := tar.NewWriter(w)
	seen := map[string]bool{}
	for _, file := range files {
		if err := unpackDeb(ctx, tw, file, seen); err != nil {
			return fmt.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	if err := addBytes(tw, "var/lib/dpkg/status", status); err != nil {
		return err
	}
	return tw.Close()
}

func unpackDeb(ctx context.Context, tw *tar.Writer, file string, seen map[string]bool) (err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cmd.Wait()) }()
	defer out.Close()
	for tr := tar.NewReader(out); ; {
		header, err := tr.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, out)
			return err
		}
		if err != nil {
			return err
		}
		header.Name = strings.TrimPrefix(header.Name, "./")
		if header.Name == "" || seen[header.Name] {
			continue // a directory of several packages
		}
		seen[header.Name] = true
		header.Format = tar.FormatUnknown // a name that lost its ./ may fit another one
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(tw, tr); err != nil {
			return err
		}
	}
}

// statusOf is the database of dpkg in which packages are installed.
func statusOf(ctx context.Context, files []string) ([]byte, error) {
	var b bytes.Buffer
	for _, file := range files {
		control, err := debian(ctx, "", "dpkg-deb", "--field", file)
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimRight(control, "\n"))
		b.WriteString("\nStatus: install ok installed\n\n")
	}
	return b.Bytes(), nil
}
