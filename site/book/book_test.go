package book

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"
)

// project is the directory whose pages become the site.
const project = "../.."

// site is the site of the project as it is here.
func site(t *testing.T) map[string][]byte {
	t.Helper()
	b, err := Read(os.DirFS(project))
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.Files("v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// elements calls do for every element of a page.
func eachElement(t *testing.T, raw []byte, do func(name string, attributes map[string]string)) {
	t.Helper()
	for z := html.NewTokenizer(bytes.NewReader(raw)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			all := map[string]string{}
			for _, a := range token.Attr {
				all[a.Key] = a.Val
			}
			do(token.Data, all)
		}
	}
}

// Every link of the finished site leads to a file of it, and every anchor to an element.
func TestLinksLeadSomewhere(t *testing.T) {
	files := site(t)
	ids := map[string]map[string]bool{}
	for name, raw := range files {
		ids[name] = map[string]bool{}
		if path.Ext(name) == ".html" {
			eachElement(t, raw, func(_ string, a map[string]string) {
				if id := a["id"]; id != "" && ids[name][id] {
					t.Errorf("%s: two elements are %q", name, id)
				}
				ids[name][a["id"]] = true
			})
		}
	}
	followed := 0
	for name, raw := range files {
		if path.Ext(name) != ".html" {
			continue
		}
		eachElement(t, raw, func(_ string, a map[string]string) {
			for _, key := range []string{"href", "src", "srcset", "action"} {
				u, err := url.Parse(a[key])
				if err != nil || a[key] == "" || u.Scheme != "" {
					continue
				}
				target := name
				if u.Path != "" {
					target = path.Join(path.Dir(name), u.Path)
				}
				followed++
				if files[target] == nil || u.Fragment != "" && !ids[target][u.Fragment] {
					t.Errorf("%s: %s=%q leads nowhere", name, key, a[key])
				}
			}
		})
	}
	if followed < 200 {
		t.Errorf("only %d links were followed", followed)
	}
}

// What a page loads lies in the site: it has no address with a host, and no script asks for one.
func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	files := site(t)
	for name, raw := range files {
		switch path.Ext(name) {
		case ".html":
			eachElement(t, raw, func(element string, a map[string]string) {
				for _, key := range []string{"src", "srcset", "data", "action"} {
					if strings.Contains(a[key], "//") {
						t.Errorf("%s: <%s %s=%q>", name, element, key, a[key])
					}
				}
				if element == "link" && strings.Contains(a["href"], "//") || a["style"] != "" || a["onclick"] != "" {
					t.Errorf("%s: <%s> %v", name, element, a)
				}
			})
		case ".css", ".svg":
			if err := loadsNothing(raw); err != nil || bytes.Contains(raw, []byte("url(")) {
				t.Errorf("%s loads something: %v", name, err)
			}
		}
	}
	scripts := slices.Concat(files["assets/site.js"], files["assets/search.js"])
	if m := regexp.MustCompile(`https?://|fetch\(|XMLHttpRequest|import\(`).Find(scripts); m != nil {
		t.Errorf("the scripts have %s", m)
	}
}

// Pages have a language, one title, a text for every picture, a name for every field, and a way to the text.
func TestPagesAreAccessible(t *testing.T) {
	for name, raw := range site(t) {
		if path.Ext(name) != ".html" {
			continue
		}
		count := map[string]int{}
		eachElement(t, raw, func(element string, a map[string]string) {
			count[element]++
			switch {
			case element == "html" && a["lang"] != "en", element == "img" && a["alt"] == "":
				t.Errorf("%s: <%s> %v", name, element, a)
			case element == "a" && a["class"] == "skip" && a["href"] == "#content":
				count["skip"]++
			}
		})
		for _, element := range []string{"h1", "title", "main", "skip", "label"} {
			if count[element] != 1 {
				t.Errorf("%s: %d times <%s>", name, count[element], element)
			}
		}
	}
}

func TestSiteIsSmallAndTheSameEachTime(t *testing.T) {
	files := site(t)
	if n := Size(files); n > 5<<20 {
		t.Errorf("the site has %d bytes", n)
	}
	if !maps.EqualFunc(files, site(t), bytes.Equal) {
		t.Error("the same pages make two sites")
	}
	for name, raw := range files {
		if dir, err := filepath.Abs(project); err != nil || bytes.Contains(raw, []byte(dir)) {
			t.Errorf("%s names a directory of this machine: %v", name, err)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "site")
	index := map[string][]byte{"assets/search-index.js": nil, "index.html": []byte("1"), "old.html": nil}
	if err := Write(dir, index); err != nil {
		t.Fatal(err)
	}
	delete(index, "old.html")
	index["index.html"] = []byte("2")
	if err := Write(dir, index); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if _, gone := os.Stat(filepath.Join(dir, "old.html")); err != nil || string(raw) != "2" || gone == nil {
		t.Errorf("%q, %v, %v", raw, err, gone)
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(other, index); err == nil || !strings.Contains(err.Error(), "something else than a site") {
		t.Errorf("a directory with other files: %v", err)
	}
	if _, err := os.Stat(filepath.Join(other, "thesis")); err != nil {
		t.Error(err)
	}
}

// small is a project with one page more than README.md.
func small(readme, page string) fstest.MapFS {
	return fstest.MapFS{
		"README.md":    {Data: []byte(readme)},
		"docs/page.md": {Data: []byte(page)},
		"docs/map.svg": {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"docs/bad.svg": {Data: []byte(`<svg><image href="https://example.com/a.png"/></svg>`)},
		"code/main.go": {Data: []byte("package main // <here>\n")},
		"LICENSE":      {Data: []byte("free\n")},
	}
}

func TestWhatLeadsNowhereFails(t *testing.T) {
	for _, c := range []struct{ markdown, want string }{
		{"[a](absent.md)", "there is no such file"},
		{"[a](page.md#absent)", "no heading for #absent"},
		{"[a](#absent)", "no heading for #absent"},
		{"[a](../../up.md)", "leads out of the project"},
		{"[a](../LICENSE#x)", "has no headings"},
		{"![a](absent.svg)", "there is no such file"},
		{"![](map.svg)", "no alternative text"},
		{"![a](../LICENSE)", "none of"},
		{"![a](https://example.com/a.png)", "loads nothing from elsewhere"},
		{"![a](//example.com/a.png)", "loads nothing from elsewhere"},
		{"![a](bad.svg)", "loads nothing from elsewhere"},
		{`<img src="map.svg">`, "no alternative text"},
		{`text <img alt="a" src="absent.svg"> text`, "there is no such file"},
		{`<a href="absent.md">a</a>`, "there is no such file"},
		{`<img alt="a" src="map.svg" onload="run()">`, "may not have onload"},
		{"<script>run()</script>", "<script> is not among"},
		{"<iframe src=x></iframe>", "<iframe> is not among"},
	} {
		_, err := Read(small("# Start\n", "# Page\n\n"+c.markdown+"\n"))
		text := fmt.Sprint(err)
		if !strings.Contains(text, c.want) || !strings.HasPrefix(text, "docs/page.md: ") {
			t.Errorf("%s: %v, want: %s", c.markdown, err, c.want)
		}
	}
	if _, err := Read(small("no heading\n", "# Page\n")); err == nil {
		t.Error("a page without a title was taken")
	}
	if _, err := Read(fstest.MapFS{"docs/a.md": {Data: []byte("# A\n")}}); err == nil {
		t.Error("a project without README.md was taken")
	}
}

func TestPage(t *testing.T) {
	b, err := Read(small("# Start\n\n[page](docs/page.md#the-end) [dir](docs)\n", `# Page

<!-- docs: nobody
sees this -->
<picture>
  <source media="(prefers-color-scheme: dark)" srcset="map.svg">
  <img alt="A map" src="map.svg">
</picture>

[start](../README.md) [code](../code/main.go) [dir](../code/) [README.md](../README.md) `+"`--flag`"+` [out](https://example.com/) ![a map](map.svg)

    $ drayage fetch a # <b>
    fetched

| a | b |
|---|---|
| 1 | 2 |

## The end
`))
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.Files("")
	if err != nil {
		t.Fatal(err)
	}
	got := string(files["docs/page.html"])
	for _, want := range []string{
		`<img alt="A map" src="map.svg">`, `srcset="map.svg"`, `href="../index.html">start</a>`,
		`href="../code/main.go.html">code</a>`, `</a> dir <a`, `href="../index.html">Start</a>`, `<code class="short">--flag</code>`,
		`href="https://example.com/">out</a>`,
		`<img src="map.svg" alt="a map">`, `<span class="prompt">$ </span>drayage fetch a `,
		`<span class="comment"># &lt;b&gt;</span>`, `<div class="table"><table>`, `<h2 id="the-end">The end<a `,
		`<a rel="prev" href="../index.html">`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got, "nobody") {
		t.Error("the page shows a comment")
	}
	start := string(files["index.html"])
	if !strings.Contains(start, `href="docs/page.html#the-end">page</a> dir`) {
		t.Errorf("the start: %s", start)
	}
	if code := string(files["code/main.go.html"]); !strings.Contains(code, "package main // &lt;here&gt;") {
		t.Errorf("the file: %s", code)
	}
	if t.Failed() {
		t.Log(got)
	}
}

// Anchors are those of GitHub.
func TestAnchors(t *testing.T) {
	ids := anchors{}
	for _, c := range [][2]string{
		{"Which tar, when?", "which-tar-when"},
		{"fetch IMAGE... -o DIR", "fetch-image--o-dir"},
		{"1.0.0 - 2026-11-28", "100---2026-11-28"},
		{"snake_case & Größe", "snake_case--größe"},
		{"Images in Docker's schema 1", "images-in-dockers-schema-1"},
		{"Added", "added"}, {"Added", "added-1"}, {"Added", "added-2"}, {"Added 1", "added-1-1"},
	} {
		if got := ids.of(c[0]); got != c[1] {
			t.Errorf("%q is #%s, want #%s", c[0], got, c[1])
		}
	}
}

// The list of pages follows the contents page; what it leaves out comes behind.
func TestOrder(t *testing.T) {
	const contents = "# Book\n\n## Begin\n\n- [usb](start/usb.md)\n- [b.md](b.md)\n\n## Rest\n\n- [A](a.md)\n"
	b, err := Read(fstest.MapFS{
		"README.md":         {Data: []byte("# drayage\n")},
		"docs/README.md":    {Data: []byte(contents)},
		"CHANGELOG.md":      {Data: []byte("# Changes\n")},
		"docs/a.md":         {Data: []byte("# Title A\n")},
		"docs/b.md":         {Data: []byte("# Title B\n")},
		"docs/c.md":         {Data: []byte("# Title C\n")},
		"docs/start/usb.md": {Data: []byte("# By USB stick\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range b.groups {
		for _, p := range g.pages {
			got = append(got, g.Title+": "+p.label)
		}
	}
	want := []string{": Start", ": Contents", "Begin: Usb", "Begin: Title B", "Rest: A", "Pages: Title C",
		"Project: Changes"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{
		{"index.html", "docs/a.html", "docs/a.html"}, {"docs/a.html", "index.html", "../index.html"},
		{"docs/a.html", "docs/b.html", "b.html"}, {"docs/start/a.html", "docs/b.html", "../b.html"},
		{"docs/start/a.html", "docs/concepts/b.html", "../concepts/b.html"},
		{"docs/a.html", "docs/start/b.html", "start/b.html"},
		{"a/b/c.html", "b/c.html", "../../b/c.html"},
	} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("from %s to %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
