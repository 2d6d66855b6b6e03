package book

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

//go:embed assets
var assets embed.FS

var layout = template.Must(template.ParseFS(assets, "assets/page.html"))

// view is what the template of a page shows.
type view struct {
	Root, Title, Description, Version string
	Head, Body                        template.HTML // up to the title, and what follows
	Headings                          []heading
	Groups                            []viewGroup
	Before, After                     *viewLink
}

type viewGroup struct {
	Title string
	Links []viewLink
}

type viewLink struct {
	URL, Label string
	Here       bool
}

// Level and the like are for the template.
func (h heading) Level() int   { return h.level }
func (h heading) ID() string   { return h.id }
func (h heading) Text() string { return h.text }

// endOfTitle is what [renderHeading] writes behind the title of a page.
const endOfTitle = "</h1>\n"

// searchPage is where a search leads that the list below the field does not end.
const searchPage = "search.html"

// Files renders the site: the content of every file, by its path. The same pages give the same bytes.
func (b *Book) Files(version string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, p := range b.pages {
		body, err := p.body()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.src, err)
		}
		v := b.view(p.out, p.title, version)
		head, rest, _ := strings.Cut(string(body), endOfTitle)
		v.Head, v.Body = template.HTML(head+endOfTitle), template.HTML(rest)
		v.Description, v.Headings = short(p.description()), p.outline()
		before, after := b.neighbours(p)
		v.Before, v.After = linkTo(p, before), linkTo(p, after)
		if err := v.render(files, p.out); err != nil {
			return nil, err
		}
	}
	for _, src := range sortedKeys(b.sources) {
		v := b.view(src+".html", src, version)
		v.Description = "The file " + src
		v.Body = sourceBody(src, b.sources[src])
		if err := v.render(files, src+".html"); err != nil {
			return nil, err
		}
	}
	v := b.view(searchPage, "Search", version)
	v.Description, v.Body = "Search all pages", `<h1>Search</h1>
<p id="found-count" role="status">Type words into the field at the top. The search needs JavaScript; it works
without a network.</p>
<ol id="found"></ol>`
	if err := v.render(files, searchPage); err != nil {
		return nil, err
	}
	return files, b.addAssets(files)
}

// addAssets adds what pages load: pictures, the style, scripts, the index of the search.
func (b *Book) addAssets(files map[string][]byte) (err error) {
	for name, raw := range b.copied {
		files[name] = raw
	}
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := "assets/" + e.Name(); path.Ext(name) != ".html" {
			if files[name], err = assets.ReadFile(name); err != nil {
				return err
			}
		}
	}
	files["assets/search-index.js"], err = b.index()
	return err
}

func (b *Book) view(out, title, version string) *view {
	v := &view{Root: strings.Repeat("../", strings.Count(out, "/")), Title: title, Version: version}
	for _, g := range b.groups {
		vg := viewGroup{Title: g.Title}
		for _, p := range g.pages {
			vg.Links = append(vg.Links, viewLink{relative(out, p.out), p.label, p.out == out})
		}
		v.Groups = append(v.Groups, vg)
	}
	return v
}

func (v *view) render(files map[string][]byte, out string) error {
	var b bytes.Buffer
	err := layout.Execute(&b, v)
	files[out] = b.Bytes()
	return err
}

func linkTo(from, to *page) *viewLink {
	if to == nil {
		return nil
	}
	return &viewLink{URL: relative(from.out, to.out), Label: to.label}
}

// outline is the headings for the table of contents, if there are enough of them to need one.
func (p *page) outline() (all []heading) {
	for _, h := range p.headings {
		if h.level == 2 || h.level == 3 {
			all = append(all, h)
		}
	}
	if len(all) < 3 {
		return nil
	}
	return all
}

// sourceBody shows a file that is no page.
func sourceBody(name string, raw []byte) template.HTML {
	if !utf8.Valid(raw) {
		raw = []byte("(not text)")
	}
	title, text := template.HTMLEscapeString(name), template.HTMLEscapeString(string(raw))
	return template.HTML("<h1 class=\"file\">" + title + endOfTitle + codeBegin + text + codeEnd)
}

// short cuts a description where a list of results would cut it.
func short(text string) string {
	const most = 160
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	cut := string([]rune(text)[:most])
	return cut[:strings.LastIndex(cut, " ")] + " ..."
}
