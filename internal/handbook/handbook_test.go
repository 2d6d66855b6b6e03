package handbook

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"drayage/docs"
	"drayage/internal/guide"
)

const page = `# A page

<!-- docs: skip because
of this -->
Words of **one** paragraph, with a [link](start/other.md#part), [other.md](start/other.md), [here](#below),
[out](../README.md), an [address](https://a.test/x), <https://b.test> and ` + "`***`, `a | b`" + `.

    drayage fetch a    # code stays

    and more

- a first point that is long enough to be broken at the right column, where it goes on below itself
- a second

<picture>
  <img src="x.svg" alt="What the
    picture shows">
</picture>

## Below

| head | says |
|---|---|
| ` + "`a\\|b`" + ` | short |
| c | a text that is much too long for one line of a terminal, so that it is broken in its column |

| one | two | three |
|---|---|---|
| first | ` + "`aVeryLongWordThatCannotBeBroken-aVeryLongWordThatCannotBeBroken-it`" + ` | x |

` + "```toml" + `
# no heading
key = "value"
` + "```" + `

## Below
### Deep
1. one
2. two
`

const asText = `A page
======

Words of one paragraph, with a link (` + "`drayage docs start/other#part`" + `), ` + "`drayage\ndocs start/other`" + `,` +
	` here, out, an address (https://a.test/x), https://b.test and
` + "`***`, `a | b`" + `.

    drayage fetch a    # code stays

    and more

- a first point that is long enough to be broken at the right column, where it
  goes on below itself
- a second

(Picture) What the picture shows

Below
-----

head   says
-----  ------------------------------------------------------------------------
` + "`a|b`" + `  short
c      a text that is much too long for one line of a terminal, so that it is
       broken in its column

first
  two: ` + "`aVeryLongWordThatCannotBeBroken-aVeryLongWordThatCannotBeBroken-it`" + `
  three: x

    # no heading
    key = "value"

Below
-----

Deep
1. one
2. two
`

func newBook(t *testing.T) *Book {
	t.Helper()
	b, err := New(fstest.MapFS{
		"README.md": {Data: []byte("# The book\n\n## First\n\n| page | tells |\n|---|---|\n" +
			"| [other.md](start/other.md) | what is **other** |\n\n## Then\n\n| [page.md](page.md) | all |\n")},
		"a-late.md": {Data: []byte("# Later\n\nIt is not in the contents.\n")},
		"page.md":   {Data: []byte(page)},
		"start/other.md": {Data: []byte("# Other\n\nSomething else.\n\n## Rate limit\n\n" +
			"<!-- docs: exit 5 -->\n<!-- docs: run\nsecret line\n-->\nWait for it.\n")},
		"x.json": {Data: []byte("{}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestText(t *testing.T) {
	b := newBook(t)
	p, err := b.Find("page")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asText, b.Text(p)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if p.Markdown() != strings.Replace(page, "<!-- docs: skip because\nof this -->\n", "", 1) {
		t.Error("the Markdown is not the page")
	}
	if p, err = b.Find("other"); err != nil || strings.Contains(p.Markdown(), "<!--") {
		t.Errorf("a comment to a test is shown: %v, %v", p, err)
	}
}

func TestList(t *testing.T) {
	const want = `FIRST:
   start/other  what is other

THEN:
   page         all

MORE:
   a-late       Later
`
	if diff := cmp.Diff(want, newBook(t).List()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	b := newBook(t)
	for name, want := range map[string]string{
		"page": "page", "docs/page.md": "page", "PAGE": "page", "other": "start/other",
		"start/other.md": "start/other", "readme": "README",
	} {
		if p, err := b.Find(name); err != nil || p.Name != want {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	p, err := b.Find("other#rate-limit")
	if err != nil || p.Markdown() != "## Rate limit\n\nWait for it.\n" {
		t.Errorf("%v, %v", p, err)
	}
	if p, err = b.Find("page#below-1"); err != nil || p.Markdown() != "## Below\n" {
		t.Errorf("%v, %v", p, err)
	}
	for name, want := range map[string]string{
		"oter":             `there is no page "oter": did you mean other? drayage docs --search oter looks`,
		"zzzzzzzz":         `drayage docs --search zzzzzzzz looks for the word`,
		"other#zzzzzzzz":   `start/other has no section "zzzzzzzz": drayage docs start/other shows the whole page`,
		"other#":           `start/other has no section "": drayage docs start/other shows the whole page`,
		"other#rate-limti": `start/other has no section "rate-limti": the nearest is start/other#rate-limit`,
	} {
		if _, err := b.Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSearch(t *testing.T) {
	b := newBook(t)
	for words, want := range map[string]string{
		"rate LIMIT":      "drayage docs start/other#rate-limit\n   Rate limit\n",
		"something":       "drayage docs start/other#other\n   Other: Something else.\n",
		"something limit": "",
		"secret line":     "", // of a comment
		"team/app:1: wait for a while": "No section has all these words. The nearest are:\n" +
			"drayage docs start/other#rate-limit\n   Rate limit: Wait for it.\n",
		"key VALUE": "drayage docs page#below\n   Below: key = \"value\"\n",
	} {
		if got := b.Search(strings.Fields(words)); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

// TestPages reads the real book as a terminal shows it.
func TestPages(t *testing.T) {
	b, err := New(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Pages()) < 10 {
		t.Fatalf("only %d pages", len(b.Pages()))
	}
	for _, p := range b.Pages() {
		for line := range strings.Lines(b.Text(p)) {
			line = strings.TrimSuffix(line, "\n")
			long := slices.ContainsFunc(strings.Fields(line), func(w string) bool { return len(w) > 45 })
			if n := utf8.RuneCountInString(line); n > guide.Columns && !strings.HasPrefix(line, "    ") && !long {
				t.Errorf("%s: %d columns: %s", p.Name, n, line)
			}
			if !strings.HasPrefix(line, "    ") && (strings.Contains(line, "](") || strings.Contains(line, "<!--")) {
				t.Errorf("%s: %s", p.Name, line)
			}
		}
		for _, s := range p.sections() {
			if _, err := b.Find(p.Name + "#" + s.anchor); err != nil {
				t.Error(err)
			}
		}
	}
}
