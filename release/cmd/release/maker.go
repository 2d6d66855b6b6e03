package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"drayage/release/build"
	"drayage/release/bundle"
	"drayage/release/channels"
	"drayage/release/container"
	"drayage/release/notices"
	"drayage/release/packages"
	"drayage/release/sbom"
	"drayage/release/sums"
)

// maker makes one release.
type maker struct {
	src        build.Source
	o          options
	targets    []build.Target
	project    packages.Project
	out, stage string // directories: what is published, and what it is made of
	say        io.Writer
	public     string    // the key that the installer gets, or empty
	key        *sums.Key // nil: nothing is signed

	manual         []string // the man pages
	compressed     []string // the same, for packages
	bash, zsh, ps1 string   // completions
	fish           string
}

func (m *maker) make(ctx context.Context) error {
	for _, dir := range []string{m.out, m.stage} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := m.keys(); err != nil {
		return err
	}
	if m.o.only == "" {
		if err := m.documents(ctx); err != nil {
			return err
		}
	}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(2) // the go command keeps more processors busy by itself
	for _, t := range m.targets {
		g.Go(func() error { return m.target(each, t) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := m.image(ctx); err != nil || m.o.only != "" {
		return err
	}
	err := channels.Release{
		Number: m.src.Number(), Home: m.o.url, Downloads: m.o.downloads, PublicKey: m.public, Dir: m.out,
	}.Write()
	if err != nil {
		return err
	}
	if err := sums.Write(m.out); err != nil {
		return err
	}
	return m.sign()
}

// documents has a binary for this machine write the man pages and completions.
func (m *maker) documents(ctx context.Context) error {
	here := build.Target{OS: runtime.GOOS, Arch: runtime.GOARCH}
	binary := filepath.Join(m.stage, "here", here.Executable())
	if err := m.src.Binary(ctx, here, binary); err != nil {
		return err
	}
	pages := filepath.Join(m.stage, "man")
	if out, err := exec.CommandContext(ctx, binary, "man", "-o", pages).CombinedOutput(); err != nil {
		return fmt.Errorf("drayage man: %w: %s", err, out)
	}
	var err error
	if m.manual, err = filepath.Glob(filepath.Join(pages, "*.1")); err != nil || len(m.manual) == 0 {
		return errors.Join(err, errors.New("drayage man -o wrote no page"))
	}
	for _, page := range m.manual {
		if err := m.compress(page); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		shell, name string
		path        *string
	}{
		{"bash", "drayage.bash", &m.bash}, {"zsh", "_drayage", &m.zsh}, {"fish", "drayage.fish", &m.fish},
		{"powershell", "drayage.ps1", &m.ps1},
	} {
		script, err := exec.CommandContext(ctx, binary, "completion", c.shell).Output()
		if err != nil || len(script) == 0 {
			return fmt.Errorf("drayage completion %s: %d bytes, %w", c.shell, len(script), err)
		}
		*c.path = filepath.Join(m.stage, c.name)
		if err := os.WriteFile(*c.path, script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress makes PAGE.gz, the form in which distributions install man pages.
func (m *maker) compress(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	m.compressed = append(m.compressed, page+".gz")
	return os.WriteFile(page+".gz", b.Bytes(), 0o644)
}

// staged is where a file for a target is before it is packed.
func (m *maker) staged(t build.Target, name string) string {
	return filepath.Join(m.stage, t.String(), name)
}

// target makes everything that is for one platform alone, but for the image.
func (m *maker) target(ctx context.Context, t build.Target) error {
	binary := m.staged(t, t.Executable())
	if err := m.src.Binary(ctx, t, binary); err != nil {
		return err
	}
	modules, err := notices.Of(ctx, m.src, t, binary)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("drayage %s for %s", m.src.Number(), t)
	err = write(m.staged(t, "THIRD-PARTY-NOTICES"), func(w io.Writer) error {
		return notices.Write(w, title, modules)
	})
	if err != nil || m.o.only != "" {
		return err
	}
	err = write(m.staged(t, "sbom.cdx.json"), func(w io.Writer) error {
		return sbom.Write(w, m.src, t, binary, modules)
	})
	if err != nil {
		return err
	}
	if err := m.archive(t); err != nil {
		return err
	}
	if t.OS != "linux" {
		return nil
	}
	for _, format := range packages.Formats {
		name, err := m.project.Write(format, m.src, t, m.parts(t), m.out)
		if err != nil {
			return err
		}
		fmt.Fprintln(m.say, name)
	}
	return nil
}

// write makes a file.
func write(path string, content func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}

// archive writes the archive for a target, and its SBOM beside it.
func (m *maker) archive(t build.Target) error {
	name := "drayage_" + m.src.Number() + "_" + t.String()
	files := []bundle.File{{Name: name + "/" + t.Executable(), Path: m.staged(t, t.Executable()), Mode: 0o755}}
	add := func(dir string, paths ...string) {
		for _, path := range paths {
			files = append(files, bundle.File{Name: name + "/" + dir + filepath.Base(path), Path: path, Mode: 0o644})
		}
	}
	add("", m.tree("LICENSE"), m.tree("README.md"))
	add("", m.staged(t, "THIRD-PARTY-NOTICES"), m.staged(t, "sbom.cdx.json"))
	add("man/man1/", m.manual...)
	add("completions/", m.bash, m.zsh, m.fish, m.ps1)
	pack, ending := bundle.TarGz, ".tar.gz"
	if t.OS == "windows" {
		pack, ending = bundle.Zip, ".zip"
	}
	err := write(filepath.Join(m.out, name+ending), func(w io.Writer) error {
		return pack(w, files, m.src.Date)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(m.say, name+ending)
	list, err := os.ReadFile(m.staged(t, "sbom.cdx.json"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.out, name+".cdx.json"), list, 0o644)
}

func (m *maker) tree(name string) string { return filepath.Join(m.src.Root, name) }

func (m *maker) parts(t build.Target) packages.Parts {
	return packages.Parts{
		Binary: m.staged(t, t.Executable()), Licence: m.tree("LICENSE"), Readme: m.tree("README.md"),
		Notices: m.staged(t, "THIRD-PARTY-NOTICES"), SBOM: m.staged(t, "sbom.cdx.json"),
		Manual: m.compressed, Bash: m.bash, Zsh: m.zsh, Fish: m.fish,
	}
}

// image writes the image of all Linux platforms.
func (m *maker) image(ctx context.Context) error {
	i := container.Image{Source: m.src, Name: m.o.image + ":" + m.src.Number(), Home: m.o.url}
	for _, t := range m.targets {
		if t.OS == "linux" {
			i.Parts = append(i.Parts, container.Part{
				Target: t, Binary: m.staged(t, t.Executable()), Licence: m.tree("LICENSE"),
				Notices: m.staged(t, "THIRD-PARTY-NOTICES"),
			})
		}
	}
	if i.Parts == nil {
		return nil
	}
	name := "drayage_" + m.src.Number() + "_image.tar"
	if err := i.Write(ctx, filepath.Join(m.out, name), m.stage); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintln(m.say, name)
	return nil
}
