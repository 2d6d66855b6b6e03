package mirrorconf

import (
	"path/filepath"
	"strings"

	"drayage/internal/report"
)

// Told is what people should know of the part of an engine, a line each. dir is the folder that its files are
// in, or empty if they are in none.
func (p Part) Told(dir string) (lines []string) {
	if len(p.Files) == 0 {
		lines = append(lines, p.Name+": there is no file")
	}
	for _, f := range p.Files {
		if dir == "" {
			lines = append(lines, p.Name+": "+f.Path+" goes to "+f.GoesTo)
		}
	}
	for _, s := range p.Steps {
		if dir != "" {
			lines = append(lines, p.Name+": "+s)
		}
	}
	for _, l := range p.Limits {
		lines = append(lines, "note: "+p.Name+": "+l)
	}
	for _, f := range p.Files {
		if f.Replaced {
			lines = append(lines, "note: "+filepath.Join(dir, f.Path)+" had other content, and was replaced")
		}
	}
	return lines
}

// Result is what a program and a person get of the parts: the names of the files in the folder that they are
// in, or their content. If several are printed, each has its path before it.
func (p *Plan) Result(dir string, parts []Part) (doc *report.Mirrors, lines []string) {
	doc = &report.Mirrors{Hosts: p.Hosts}
	var files []*File
	for _, part := range parts {
		doc.Engines = append(doc.Engines, part.MirrorEngine)
		for i := range part.Files {
			files = append(files, &part.Files[i])
		}
	}
	for i, f := range files {
		if dir != "" {
			lines, f.Content = append(lines, filepath.Join(dir, filepath.FromSlash(f.Path))), ""
			continue
		}
		if i > 0 {
			lines = append(lines, "")
		}
		if len(files) > 1 {
			lines = append(lines, "#### "+f.Path)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(f.Content, "\n"), "\n")...)
	}
	return doc, lines
}
