// Command release makes the files of a release of drayage: archives, packages, the image, the installer, the
// sums and their signature. The same commit gives the same bytes. See docs/releasing.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"drayage/release/build"
	"drayage/release/packages"
	"drayage/release/sums"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	root, out, version, url, downloads, image, maintainer string
	key, publicKey, only, platforms                       string
	dirty                                                 bool
}

func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&o.version, "version", "", "the version, such as v1.0.0")
	flags.StringVar(&o.root, "root", "..", "the source tree")
	flags.StringVar(&o.out, "o", "",
		"the directory that the files go into; what it held is gone then (default ../dist/VERSION)")
	flags.StringVar(&o.url, "url", "https://example.com/drayage", "the address of the project")
	flags.StringVar(&o.downloads, "downloads", "",
		"the address of the directory with the files (default URL/releases/download/VERSION)")
	flags.StringVar(&o.image, "image", "localhost/drayage", "the name of the image, without a tag")
	flags.StringVar(&o.maintainer, "maintainer", "The authors of drayage <drayage@example.com>",
		"whom the packages name")
	flags.StringVar(&o.key, "key", os.Getenv("MINISIGN_KEY"), "a file with the secret key of minisign")
	flags.StringVar(&o.publicKey, "public-key", "minisign.pub",
		"a file with the public key, which the installer gets")
	flags.StringVar(&o.platforms, "platforms", "", "some platforms only, such as linux_amd64,linux_armv7")
	flags.StringVar(&o.only, "only", "", "image: write the image, and nothing else")
	flags.BoolVar(&o.dirty, "dirty", false, "take the tree as it is, also if it differs from its commit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.version == "":
		return fmt.Errorf("give the version: make release VERSION=v1.0.0")
	case o.only != "" && o.only != "image":
		return fmt.Errorf("-only takes image: %q given", o.only)
	}
	if o.out == "" {
		o.out = filepath.Join("../dist", o.version)
	}
	if o.downloads == "" {
		o.downloads = strings.TrimSuffix(o.url, "/") + "/releases/download/" + o.version
	}
	return nil
}

// targets are the wanted ones of all platforms.
func (o *options) targets() ([]build.Target, error) {
	if o.platforms == "" {
		return build.Targets, nil
	}
	var wanted []build.Target
	var names []string
	for _, t := range build.Targets {
		names = append(names, t.String())
	}
	for name := range strings.SplitSeq(o.platforms, ",") {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("unknown platform %q: there are %s", name, strings.Join(names, ", "))
		}
		wanted = append(wanted, build.Targets[i])
	}
	return wanted, nil
}

// run makes the release in a directory beside the one that it is for. That one is replaced when all is there.
func run(ctx context.Context, args []string, say io.Writer) (err error) {
	var o options
	if err := o.parse(args); err != nil {
		return err
	}
	targets, err := o.targets()
	if err != nil {
		return err
	}
	out, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	if err := replaceable(out); err != nil {
		return err
	}
	src, err := build.Read(ctx, o.root, o.version, o.dirty)
	if err != nil {
		return err
	}
	partial := out + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	m := maker{
		src: src, o: o, say: say, targets: targets, out: filepath.Join(partial, "files"),
		stage:   filepath.Join(partial, "stage"),
		project: packages.Project{Homepage: o.url, Maintainer: o.maintainer},
	}
	if err := m.make(ctx); err != nil {
		return err
	}
	if err := src.Unchanged(ctx); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(filepath.Dir(out), 0o755)); err != nil {
		return err
	}
	if err := os.Rename(m.out, out); err != nil {
		return err
	}
	fmt.Fprintf(say, "made %s of %s in %s\n", src.Version, src.Commit, out)
	return nil
}

// ours are the names of the files of a release.
var ours = regexp.MustCompile(`^(drayage[_-]\d.*|drayage\.(rb|json)|` + sums.Name + `(\.minisig)?|install\.sh)$`)

// replaceable refuses a directory that holds something else than a release, because it is emptied.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() || !ours.MatchString(name) {
			return fmt.Errorf("%s holds %q, which is no file of a release: give an empty directory with -o", dir, name)
		}
	}
	return err
}

// keys reads the keys, before anything is built for nothing.
func (m *maker) keys() (err error) {
	if m.public, err = sums.ReadPublic(m.o.publicKey); err != nil || m.o.key == "" {
		return err
	}
	key, err := sums.ReadKey(m.o.key, os.Getenv("MINISIGN_PASSWORD"))
	if err != nil {
		return err
	}
	if m.public != "" && m.public != key.Public() {
		return fmt.Errorf("the key in %s does not belong to %s", m.o.key, m.o.publicKey)
	}
	m.key = &key
	return nil
}

// sign signs the sums, if there is a key.
func (m *maker) sign() error {
	if m.key == nil {
		fmt.Fprintln(m.say, "not signed: MINISIGN_KEY does not name the file with the secret key")
		return nil
	}
	if m.public == "" {
		fmt.Fprintf(m.say, "%s is not there: install.sh will not check the signature; the public key is %s\n",
			m.o.publicKey, m.key.Public())
	}
	return m.key.Sign(m.out, "drayage "+m.src.Version+", commit "+m.src.Commit)
}
