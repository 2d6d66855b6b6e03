// Package channels writes what leads other programs to a release: the installer, the formula of Homebrew, and
// the manifest of Scoop.
package channels

import (
	"bytes"
	"embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"drayage/release/build"
	"drayage/release/sums"
)

//go:embed install.sh drayage.rb.tmpl
var templates embed.FS

// Release is what the files say.
type Release struct {
	Number    string // 1.0.0
	Home      string // address of the project
	Downloads string // address of the directory with the files of this release
	PublicKey string // of minisign; may be empty
	Dir       string // where the archives are, and where the files go
}

// Write writes all files.
func (r Release) Write() error {
	if err := r.installer(); err != nil {
		return err
	}
	if err := r.formula(); err != nil {
		return err
	}
	return r.manifest()
}

func (r Release) installer() error {
	text, err := templates.ReadFile("install.sh")
	if err != nil {
		return err
	}
	filled := strings.NewReplacer("@VERSION@", r.Number, "@URL@", r.Downloads, "@PUBLIC_KEY@", r.PublicKey).
		Replace(string(text))
	return os.WriteFile(filepath.Join(r.Dir, "install.sh"), []byte(filled), 0o755)
}

// archive is a file of the release, as package managers look for it.
type archive struct{ Processor, Name, URL, Sum string }

// find returns the archive for a target, or false if this release has none.
func (r Release) find(t build.Target, processor, ending string) (archive, bool, error) {
	name := "drayage_" + r.Number + "_" + t.String() + ending
	sum, err := sums.Of(filepath.Join(r.Dir, name))
	if os.IsNotExist(err) {
		return archive{}, false, nil
	}
	return archive{processor, name, r.Downloads + "/" + name, sum}, true, err
}

// system is an operating system as Homebrew calls it.
type system struct {
	Name     string
	Archives []archive
}

func (r Release) formula() error {
	var systems []system
	for _, s := range []struct{ name, os string }{{"macos", "darwin"}, {"linux", "linux"}} {
		found := system{Name: s.name}
		for _, p := range []struct{ name, arch string }{{"arm", "arm64"}, {"intel", "amd64"}} {
			a, ok, err := r.find(build.Target{OS: s.os, Arch: p.arch}, p.name, ".tar.gz")
			if err != nil {
				return err
			}
			if ok {
				found.Archives = append(found.Archives, a)
			}
		}
		if found.Archives != nil {
			systems = append(systems, found)
		}
	}
	t, err := template.ParseFS(templates, "drayage.rb.tmpl")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		Release
		Systems []system
	}{r, systems}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, "drayage.rb"), b.Bytes(), 0o644)
}

// place is where Scoop finds the program for a processor.
type place struct {
	URL  string `json:"url"`
	Hash string `json:"hash"`
	Dir  string `json:"extract_dir"`
}

func (r Release) manifest() error {
	processors := map[string]place{}
	for _, p := range []struct{ name, arch string }{{"64bit", "amd64"}, {"arm64", "arm64"}} {
		a, ok, err := r.find(build.Target{OS: "windows", Arch: p.arch}, p.name, ".zip")
		if err != nil {
			return err
		}
		if ok {
			processors[p.name] = place{a.URL, a.Sum, strings.TrimSuffix(a.Name, ".zip")}
		}
	}
	raw, err := json.MarshalIndent(struct {
		Version      string           `json:"version"`
		Description  string           `json:"description"`
		Homepage     string           `json:"homepage"`
		License      string           `json:"license"`
		Architecture map[string]place `json:"architecture"`
		Bin          string           `json:"bin"`
	}{
		r.Number, "Move container images across an air gap, without a container engine", r.Home, "Apache-2.0",
		processors, "drayage.exe",
	}, "", "    ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, "drayage.json"), append(raw, '\n'), 0o644)
}
