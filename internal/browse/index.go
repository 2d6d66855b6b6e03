package browse

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"drayage/serve"
)

const (
	maxTags  = 12 // in a row of the list; the page of the repository has all
	maxPages = 1_000_000
)

// listing is the list of what there is.
type listing struct {
	page
	Repository         string // all its tags are listed; empty: all repositories
	Repositories, Tags int    // all in all
	Found              int
	Rows               []row
	From, To           int
	Part               bool // not all of Found is here
	Previous, Next     string
}

// row is a repository, or a tag of one.
type row struct {
	Host, Path string
	Tags       []tag
	More       int // tags that are not in Tags
	All        string
}

type tag struct{ Name, Link string }

// belongs matches tags that cosign gives to what belongs to an image. They are on the page of the image.
var belongs = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

func (b *browser) index(w http.ResponseWriter, r *http.Request) {
	c, release := b.Hold()
	defer release()
	if !wantsHTML(r) {
		b.text(w, r, c)
		return
	}
	list := listing{page: b.page(r, "Images"), Repository: r.URL.Query().Get("repository")}
	number, _ := strconv.Atoi(r.URL.Query().Get("page")) // 0 if it is none
	number = min(max(number, 1), maxPages)
	for _, repo := range c.Repositories() {
		list.Repositories++
		list.Tags += len(repo.Tags)
	}
	if list.Repository != "" {
		repo, found := c.Repository(list.Repository)
		if !found {
			b.missing(w, r, "There is no repository of that name.")
			return
		}
		list.Title = list.Repository
		list.tagsOf(&repo, number)
	} else {
		list.repositories(c.Repositories(), number)
	}
	show(w, http.StatusOK, "index.html", list)
}

// repositories lists those that match the query, a page of them.
func (l *listing) repositories(all []serve.Repository, number int) {
	rows := []row{}
	words := strings.Fields(strings.ToLower(l.Query))
	from := (number - 1) * maxPerPage
	if len(words) == 0 { // all match: the page costs the same however many there are
		l.Found = len(all)
		for _, repo := range all[min(from, len(all)):min(from+maxPerPage, len(all))] {
			tags, _ := matching(&repo, nil)
			rows = append(rows, newRow(repo.Name, tags, maxTags))
		}
		all = nil
	}
	for i := range all {
		tags, ok := matching(&all[i], words)
		if !ok {
			continue
		}
		if l.Found++; l.Found > from && len(rows) < maxPerPage {
			rows = append(rows, newRow(all[i].Name, tags, maxTags))
		}
	}
	l.Rows = rows
	l.pages(from, number, url.Values{"q": {l.Query}})
}

// tagsOf lists the tags of one repository.
func (l *listing) tagsOf(repo *serve.Repository, number int) {
	tags, _ := matching(repo, nil)
	const most = 5 * maxPerPage
	from := (number - 1) * most
	l.Found = len(tags)
	part := tags[min(from, len(tags)):min(from+most, len(tags))]
	l.Rows = []row{newRow(repo.Name, part, most)}
	l.From, l.To = min(from+1, len(tags)), from+len(part)
	l.neighbours(number, len(part), url.Values{"repository": {repo.Name}})
}

func (l *listing) pages(from, number int, query url.Values) {
	l.From, l.To = min(from+1, l.Found), from+len(l.Rows)
	l.neighbours(number, len(l.Rows), query)
}

func (l *listing) neighbours(number, shown int, query url.Values) {
	if query.Get("q") == "" {
		query.Del("q")
	}
	at := func(n int) string {
		query.Set("page", strconv.Itoa(n))
		return "/?" + query.Encode()
	}
	l.Part = shown < l.Found && shown > 0
	if number > 1 {
		l.Previous = at(number - 1)
	}
	if l.To < l.Found && shown > 0 {
		l.Next = at(number + 1)
	}
}

// matching returns the tags of a repository that match: all words are in its name and the tag. It is true for
// a repository without tags too if they are in its name.
func matching(repo *serve.Repository, words []string) (tags []string, ok bool) {
	name := strings.ToLower(repo.Name)
	rest := words[:0:0]
	for _, w := range words {
		if !strings.Contains(name, w) {
			rest = append(rest, w)
		}
	}
	for _, t := range repo.Tags {
		full := name + ":" + strings.ToLower(t.Name)
		if !belongs.MatchString(t.Name) && hasAll(full, rest) {
			tags = append(tags, t.Name)
		}
	}
	return tags, len(tags) > 0 || len(rest) == 0
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func newRow(name string, tags []string, most int) row {
	var r row
	r.Host, r.Path = cutHost(name)
	r.More = max(len(tags)-most, 0)
	r.All = "/?" + url.Values{"repository": {name}}.Encode()
	for _, t := range tags[:len(tags)-r.More] {
		r.Tags = append(r.Tags, tag{t, imageLink(name + ":" + t)})
	}
	return r
}

// imageLink is the address of the page of an image. Names have no characters that a path would change.
func imageLink(name string) string { return (&url.URL{Path: "/image/" + name}).EscapedPath() }

// cutHost divides a full name behind the registry.
func cutHost(name string) (host, path string) {
	first, rest, ok := strings.Cut(name, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first + "/", rest
	}
	return "", name
}

// text lists what can be pulled, a name a line.
func (b *browser) text(w http.ResponseWriter, r *http.Request, c *serve.Catalog) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	p := b.page(r, "")
	words := strings.Fields(strings.ToLower(p.Query))
	out := bufio.NewWriter(w)
	for i, repo := range c.Repositories() {
		tags, _ := matching(&c.Repositories()[i], words)
		for _, t := range tags {
			fmt.Fprintf(out, "%s/%s:%s\n", p.Host, repo.Name, t)
		}
	}
	_ = out.Flush() // who asked has gone away
}
