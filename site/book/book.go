// Package book makes a static site of a project's Markdown. [Read] reads the pages and follows every link in
// them. [Book.Files] renders them, and [Write] puts the files into a directory.
//
// The site needs neither a server nor a network: links are relative, and what a page loads lies beside it.
package book

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// rootPages are the pages beside docs, as far as they are there. The first one becomes the start of the site.
var rootPages = []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"}

// contentsPage lists the pages of docs in the order in which to read them.
const contentsPage = "docs/README.md"

// Book is the pages of a project, with every link followed.
type Book struct {
	project fs.FS
	pages   []*page          // in the order in which to read them
	bySrc   map[string]*page // by the path of their Markdown
	groups  []group
	copied  map[string][]byte // pictures, by their path
	sources map[string][]byte // other files that pages lead to, by their path
}

// Len is the number of pages.
func (b *Book) Len() int { return len(b.pages) }

// Read reads the pages of project: README.md and its like, and docs with what is below it. It fails if a
// link, an anchor or a picture leads nowhere, and names each of them.
func Read(project fs.FS) (*Book, error) {
	b := &Book{project: project, bySrc: map[string]*page{}, copied: map[string][]byte{},
		sources: map[string][]byte{}}
	names, err := pageNames(project)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		p, err := b.readPage(name)
		if err != nil {
			return nil, err
		}
		b.bySrc[name] = p
		b.pages = append(b.pages, p)
	}
	b.arrange()
	var wrong []error
	for _, p := range b.pages {
		wrong = append(wrong, b.follow(p)...)
	}
	return b, errors.Join(wrong...)
}

// pageNames lists the Markdown files of the book.
func pageNames(project fs.FS) (names []string, err error) {
	for _, name := range rootPages {
		if _, err := fs.Stat(project, name); err == nil {
			names = append(names, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	err = fs.WalkDir(project, "docs", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	})
	if len(names) == 0 || names[0] != rootPages[0] {
		return nil, cmp.Or(err, fmt.Errorf("%s is missing: it is the first page", rootPages[0]))
	}
	return names, err
}

// output is where the page of a Markdown file stands in the site.
func output(src string) string {
	if path.Base(src) == "README.md" {
		return path.Join(path.Dir(src), "index.html")
	}
	return strings.TrimSuffix(src, ".md") + ".html"
}

// relative is the way from one file of the site to another.
func relative(from, to string) string {
	way, err := filepath.Rel(path.Dir(from), to)
	if err != nil { // one of them is not relative, which no path of the site is
		return to
	}
	return filepath.ToSlash(way)
}

// markdown reads what GitHub reads, so that a page means the same in both places.
func markdown() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.GFM))
}

// sortedKeys lets a map be walked in the same order each time.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
