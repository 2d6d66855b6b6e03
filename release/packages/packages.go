// Package packages writes packages for Debian, for distributions with rpm, and for Alpine.
package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // these register themselves
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"

	"drayage/release/build"
)

// Formats are the kinds of package.
var Formats = []string{"deb", "rpm", "apk"}

// Parts are the files of a package, on the disk.
type Parts struct {
	Binary, Licence, Notices, SBOM, Readme string
	Manual                                 []string // each compressed, with the ending .gz
	Bash, Zsh, Fish                        string   // completions
}

// Project is what packages say of it.
type Project struct{ Homepage, Maintainer string }

const description = `moves container images across an air gap, without a container engine
drayage fetches images from registries into a directory, saves them as tars
that docker load takes, and pushes them into a private registry.`

// Write writes a package of p into a directory and returns its name, which follows the rules of the
// distribution.
func (p Project) Write(
	format string, src build.Source, t build.Target, parts Parts, dir string,
) (string, error) {
	contents := parts.place(format)
	number, before, _ := strings.Cut(src.Number(), "-")
	arch := t.Arch
	if t.Variant != "" {
		arch += strings.TrimPrefix(t.Variant, "v")
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "drayage", Arch: arch, Platform: t.OS, Version: number, Prerelease: before, Section: "utils",
		Priority: "optional", Maintainer: p.Maintainer, Description: description,
		Homepage: p.Homepage, License: "Apache-2.0", MTime: src.Date, DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: contents, Recommends: []string{"ca-certificates"}},
	})
	info.RPM.BuildHost = "localhost" // the machine's name says nothing, and differs
	info.RPM.Summary, _, _ = strings.Cut(description, "\n")
	if format == "apk" { // Alpine knows no recommendations, and descriptions of one line
		info.Recommends, info.Description = nil, info.RPM.Summary
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	name := filepath.Base(packager.ConventionalFileName(info))
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	if err := errors.Join(packager.Package(info, f), f.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return name, nil
}

// place says where the files go. Debian has one place for licences and one for completions of zsh, and the
// others have different ones.
func (p Parts) place(format string) (all files.Contents) {
	add := func(path, to string, mode fs.FileMode) {
		info := &files.ContentFileInfo{Mode: mode}
		all = append(all, &files.Content{Source: path, Destination: to, FileInfo: info})
	}
	licences, zsh := "/usr/share/licenses/drayage/", "/usr/share/zsh/site-functions/"
	licence := "LICENSE"
	if format == "deb" {
		licences, zsh, licence = "/usr/share/doc/drayage/", "/usr/share/zsh/vendor-completions/", "copyright"
	}
	add(p.Binary, "/usr/bin/drayage", 0o755)
	add(p.Licence, licences+licence, 0o644)
	add(p.Notices, licences+"THIRD-PARTY-NOTICES", 0o644)
	add(p.SBOM, "/usr/share/doc/drayage/sbom.cdx.json", 0o644)
	add(p.Readme, "/usr/share/doc/drayage/README.md", 0o644)
	add(p.Bash, "/usr/share/bash-completion/completions/drayage", 0o644)
	add(p.Zsh, zsh+"_drayage", 0o644)
	add(p.Fish, "/usr/share/fish/vendor_completions.d/drayage.fish", 0o644)
	for _, page := range p.Manual {
		add(page, "/usr/share/man/man1/"+filepath.Base(page), 0o644)
	}
	return all
}
