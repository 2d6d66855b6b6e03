package book

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// errUnlinked is what follows a link to a directory: the site has no page for it, and the text stays.
var errUnlinked = errors.New("a directory")

// pictureTypes are the pictures that browsers show.
var pictureTypes = []string{".svg", ".png", ".jpg", ".gif", ".webp"}

// follow turns the links of a page into links of the site, and returns what is wrong with them.
func (b *Book) follow(p *page) (wrong []error) {
	fail := func(what, dest string, err error) {
		wrong = append(wrong, fmt.Errorf("%s: %s %q: %w", p.src, what, dest, err))
	}
	var bare []*ast.Link
	_ = ast.Walk(p.doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			to, err := b.link(p, string(n.Destination))
			switch {
			case errors.Is(err, errUnlinked):
				bare = append(bare, n)
			case err != nil:
				fail("link", string(n.Destination), err)
			}
			b.nameByTitle(p, n)
			n.Destination = []byte(to)
		case *ast.Image:
			to, err := b.picture(p, string(n.Destination), plain(n, p.raw))
			if err != nil {
				fail("picture", string(n.Destination), err)
			}
			n.Destination = []byte(to)
		case *ast.HTMLBlock, *ast.RawHTML:
			if err := b.keepHTML(p, n); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", p.src, err))
			}
		}
		return ast.WalkContinue, nil
	})
	for _, link := range bare {
		unwrap(link)
	}
	return wrong
}

// nameByTitle gives a link whose text is the name of a Markdown file the title of that page: the site has no
// such file.
func (b *Book) nameByTitle(p *page, link *ast.Link) {
	name, _, _ := strings.Cut(string(link.Destination), "#")
	text := plain(link, p.raw)
	to := b.bySrc[path.Join(path.Dir(p.src), name)]
	if to == nil || !strings.HasSuffix(text, ".md") || !strings.HasSuffix(name, path.Base(text)) {
		return
	}
	link.RemoveChildren(link)
	link.AppendChild(link, ast.NewString([]byte(html.EscapeString(to.title))))
}

// unwrap puts the text of a link in its place.
func unwrap(link *ast.Link) {
	parent := link.Parent()
	for child := link.FirstChild(); child != nil; child = link.FirstChild() {
		link.RemoveChild(link, child)
		parent.InsertBefore(parent, link, child)
	}
	parent.RemoveChild(parent, link)
}

// isExternal reports whether an address leads out of the project.
func isExternal(dest string) bool {
	u, err := url.Parse(dest)
	return err != nil || u.Scheme != "" || u.Host != ""
}

// link is the address in the site of what dest is in the Markdown of p.
func (b *Book) link(p *page, dest string) (string, error) {
	if isExternal(dest) {
		return dest, nil
	}
	name, anchor, hasAnchor := strings.Cut(dest, "#")
	target, err := b.inProject(p, name)
	if err != nil {
		return dest, err
	}
	info, err := fs.Stat(b.project, target)
	if err == nil && info.IsDir() {
		if b.bySrc[path.Join(target, "README.md")] == nil {
			return dest, errUnlinked
		}
		target = path.Join(target, "README.md")
	}
	to := b.bySrc[target]
	switch {
	case err != nil:
		return dest, errors.New("there is no such file")
	case to == nil && hasAnchor:
		return dest, errors.New("the file has no headings")
	case to == nil:
		return b.linkFile(p, target)
	case hasAnchor && !to.anchors[anchor]:
		return dest, fmt.Errorf("%s has no heading for #%s", target, anchor)
	case name == "":
		return "#" + anchor, nil
	case hasAnchor:
		return relative(p.out, to.out) + "#" + anchor, nil
	}
	return relative(p.out, to.out), nil
}

// linkFile leads to a file that is no page: a picture is copied, any other becomes a page that shows it.
func (b *Book) linkFile(p *page, target string) (string, error) {
	raw, err := fs.ReadFile(b.project, target)
	if err != nil {
		return target, err
	}
	if slices.Contains(pictureTypes, path.Ext(target)) {
		b.copied[target] = raw
		return relative(p.out, target), nil
	}
	b.sources[target] = raw
	return relative(p.out, target+".html"), nil
}

// picture is the address of a picture, which has to lie in the project and to be described.
func (b *Book) picture(p *page, dest, alt string) (string, error) {
	if isExternal(dest) {
		return dest, errors.New("a page loads nothing from elsewhere")
	}
	if alt == "" {
		return dest, errors.New("it has no alternative text")
	}
	target, err := b.inProject(p, dest)
	if err != nil {
		return dest, err
	}
	raw, err := fs.ReadFile(b.project, target)
	switch {
	case err != nil:
		return dest, errors.New("there is no such file")
	case !slices.Contains(pictureTypes, path.Ext(target)):
		return dest, fmt.Errorf("it is none of %s", strings.Join(pictureTypes, ", "))
	}
	b.copied[target] = raw
	return relative(p.out, target), loadsNothing(raw)
}

// elsewhere is how a drawing loads or runs something.
var elsewhere = []string{`href="http`, `href='http`, "url(http", "url('http", `url("http`,
	"@import", "<script"}

// loadsNothing refuses a drawing that loads something or runs something.
func loadsNothing(raw []byte) error {
	text := strings.ToLower(string(raw))
	for _, what := range elsewhere {
		if strings.Contains(text, what) {
			return fmt.Errorf("the drawing has %s: a page loads nothing from elsewhere", what)
		}
	}
	return nil
}

// inProject is the path in the project of what a page names.
func (b *Book) inProject(p *page, name string) (string, error) {
	if name == "" {
		return p.src, nil
	}
	name, err := url.PathUnescape(name)
	if err != nil {
		return "", err
	}
	target := path.Join(path.Dir(p.src), name)
	if !fs.ValidPath(target) {
		return "", errors.New("it leads out of the project")
	}
	return target, nil
}
