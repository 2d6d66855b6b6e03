package book

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// searcher runs the script of the search with the index, as a browser does.
func searcher(t *testing.T, index string) func(query string) (urls []string) {
	t.Helper()
	vm := goja.New()
	for _, script := range []string{"window = {};", index, string(asset(t, "search.js"))} {
		if _, err := vm.RunString(script); err != nil {
			t.Fatal(err)
		}
	}
	return func(query string) (urls []string) {
		t.Helper()
		if err := vm.Set("query", query); err != nil {
			t.Fatal(err)
		}
		found, err := vm.RunString("searchFind(window.searchIndex, query, 10).sections.map(s => s.url)")
		if err != nil {
			t.Fatal(err)
		}
		if err := vm.ExportTo(found, &urls); err != nil {
			t.Fatal(err)
		}
		return urls
	}
}

func asset(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := assets.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSearchFindsKnownWords(t *testing.T) {
	find := searcher(t, string(site(t)["assets/search-index.js"]))
	for query, want := range map[string]string{
		"credentials":        "docs/credentials.html",
		"schema 1":           "docs/formats.html#images-in-dockers-schema-1",
		"names destination":  "docs/commands.html#names-in-the-destination",
		"BENCHMARKS":         "docs/benchmarks.html",
		"--limit-rate":       "docs/commands.html",
		"ptrace system call": "docs/reliability.html#killed-at-every-step",
		"environm":           "docs/configuration.html#environment-variables",
		"code of conduct":    "CODE_OF_CONDUCT.html",
		"foreign layers":     "docs/registries.html#foreign-layers",
		"changes":            "CHANGELOG.html",
	} {
		if urls := find(query); !contains(urls, want) {
			t.Errorf("%q: %q, want %q among them", query, urls, want)
		}
	}
	for _, query := range []string{"xylophone", "credentials xylophone", "", "  ", "\"", `\`, "(.*"} {
		if urls := find(query); len(urls) > 0 && !strings.ContainsAny(query, `\.`) {
			t.Errorf("%q finds %q", query, urls)
		}
	}
}

func contains(urls []string, want string) bool {
	for _, u := range urls {
		if u == want || strings.HasPrefix(u, want+"#") {
			return true
		}
	}
	return false
}

// Whoever looks up a message pastes it with names that no page has.
func TestSearchTakesAMessage(t *testing.T) {
	find := searcher(t, `window.searchIndex = [
		["other", "Page", "Heading", "cannot talk to the registry, the proxy is there"],
		["entry", "Page", "Heading", "cannot talk to quay.io: the proxy proxy.corp:3128 answers 407 Proxy"]];`)
	message := "drayage: fetch a.test/b:1: cannot talk to a.test: the proxy 192.0.2.1:80 answers 407 Proxy (...)"
	if got := strings.Join(find("answers 407 Proxy xylophone"), " "); got != "entry" {
		t.Errorf("found %q", got)
	}
	if got := find(message); !contains(got, "entry") {
		t.Errorf("found %q", got)
	}
	if got := find("cannot xylophone talk proxy"); len(got) > 0 {
		t.Errorf("found %q", got)
	}
}

// A title weighs more than a heading, a heading more than text, and a whole word more than a part of one.
func TestSearchOrder(t *testing.T) {
	find := searcher(t, `window.searchIndex = [
		["text", "Page", "Heading", "a harbour in the text"],
		["part", "Page", "Harbours", "x"],
		["heading", "Page", "The harbour", "x"],
		["absent", "Page", "Heading", "x"]];`)
	if got := strings.Join(find("harbour"), " "); got != "heading part text" {
		t.Errorf("found %s", got)
	}
}

// Text stands out from what is behind it, in light and in dark: 4.5 to 1 is what WCAG asks for.
func TestContrast(t *testing.T) {
	css := string(asset(t, "style.css"))
	light, dark, found := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no colours for the dark")
	}
	for name, part := range map[string]string{"light": light, "dark": strings.SplitN(dark, "\n}\n", 2)[0]} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6})`).FindAllStringSubmatch(part, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, behind := range []string{"paper", "well", "raised"} {
			for _, text := range []string{"ink", "soft", "sea", "rust"} {
				if c := contrast(colours[text], colours[behind]); c < 4.5 {
					t.Errorf("%s: %s on %s is %.2f to 1", name, text, behind, c)
				}
			}
		}
		for _, text := range []string{"ink", "soft", "sea"} {
			if c := contrast(colours[text], colours["lit"]); c < 4.5 {
				t.Errorf("%s: %s on what a search marks is %.2f to 1", name, text, c)
			}
		}
	}
}

func contrast(a, b float64) float64 { return (max(a, b) + .05) / (min(a, b) + .05) }

func luminance(t *testing.T, hex string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
