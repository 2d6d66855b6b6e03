package registry

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
)

var tagLists = fakeregistry.Match{Method: "GET", Path: "/tags/list"}

// pages answers the questions for tags with one page after the other. Each is the body and the Link header.
func (w *world) pages(all ...[2]string) {
	for i, p := range all {
		m := tagLists
		m.First, m.Count = i+1, 1
		header := []string{"Content-Type", "application/json"}
		if p[1] != "" {
			header = append(header, "Link", p[1])
		}
		w.reg.On(m, fakeregistry.Answer(200, p[0], header...))
	}
}

func next(address string) string { return "<" + address + `>; rel="next"` }

func TestTagsOfManyPages(t *testing.T) {
	inBubble(t, func(w *world) {
		image := w.reg.PutImage("app", "", oneLayer)
		var want []string
		for i := range 2345 {
			want = append(want, fmt.Sprintf("v%04d", i))
			w.reg.PutManifest("app", want[i], image.MediaType, w.reg.Manifest("app", image.Digest))
		}
		got, err := w.repo("app").Tags(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Error(diff)
		}
		asked := w.reg.Requests("GET", "/tags/list")
		if len(asked) != 4 || asked[0].Query != "" {
			w.Errorf("asked %d times, first %q", len(asked), asked[0].Query)
		}
	})
}

func TestTagsAreKeptInOrderValidAndOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.pages(
			[2]string{`{"name":"app","tags":["2","1","2","../x","` + strings.Repeat("a", 128) + `"]}`,
				next("/v2/app/tags/list?last=1")},
			// an empty page in the middle, a path relative to the page
			[2]string{`{"tags":null}`, next("list?last=2")},
			[2]string{`{"tags":["1","0","a b","\u001b[31m","` + strings.Repeat("b", 129) + `",""]}`, ""},
		)
		got, err := w.repo("app").Tags(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2", "1", strings.Repeat("a", 128), "0"}, got); diff != "" {
			w.Error(diff)
		}
		if told := w.told(); len(told) != 1 || !strings.Contains(told[0],
			`5 tags that are none, the first is "../x"`) {
			w.Errorf("told %q", told)
		}
		var queries []string
		for _, e := range w.reg.Requests("GET", "/v2/app/tags/list") {
			queries = append(queries, e.Query)
		}
		if diff := cmp.Diff([]string{"", "n=1000", "last=2"}, queries); diff != "" {
			w.Error(diff)
		}
	})
}

func TestTagsOfAnAbsentOrEmptyRepository(t *testing.T) {
	inBubble(t, func(w *world) {
		w.pages([2]string{`{"name":"app","tags":[]}`, ""})
		if got, err := w.repo("app").Tags(w.Context()); err != nil || len(got) != 0 {
			w.Errorf("empty: %q, %v", got, err)
		}
		w.reg.On(tagLists, fakeregistry.Answer(404,
			`{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`))
		if _, err := w.repo("app").Tags(w.Context()); !errors.Is(err, ErrNotFound) {
			w.Errorf("absent: %v", err)
		}
	})
}

// The next page is asked for with the credentials of the first, so it has to be where that was.
func TestTagsStayAtTheirOrigin(t *testing.T) {
	for _, link := range []string{
		"http://other.test/v2/app/tags/list?last=1", "//other.test/v2/app/tags/list?last=1",
		"http://registry.test:81/v2/app/tags/list?last=1",
		"https://registry.test/v2/app/tags/list?last=1", "http://registry.test.other.test/x",
		"http://registry.test@other.test/x",
		"ftp://registry.test/x", "file:///etc/passwd", "http://cdn.registry.test/x",
	} {
		t.Run(link, func(t *testing.T) {
			inBubble(t, func(w *world) {
				elsewhere := w.other("other.test:80")
				w.serve("registry.test:81", elsewhere)
				w.serve("cdn.registry.test:80", elsewhere)
				w.serveTLS("registry.test:443", elsewhere)
				w.login(Credential{Username: "me", Password: "secret"})
				w.reg.RequireBasic("me", "secret")
				page := tagLists
				page.Func = func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
				w.reg.On(page, fakeregistry.Answer(200, `{"tags":["1"]}`, "Link", next(link)))
				got, err := w.repo("app").Tags(w.Context())
				var refused *refusal
				if !errors.As(err, &refused) || !slices.Equal(got, []string{"1"}) {
					w.Errorf("got %q, %v", got, err)
				}
				if n := len(elsewhere.Requests("", "")); n > 0 {
					w.Errorf("%d requests went elsewhere", n)
				}
			})
		})
	}
}

func TestTagsTakeAnAbsoluteLink(t *testing.T) {
	inBubble(t, func(w *world) {
		first := [2]string{`{"tags":["1"]}`,
			next("http://user:pw@REGISTRY.test:80/v2/app/tags/list?n=1&last=1#top")}
		w.pages(first, first, [2]string{`{"tags":["2"]}`, ""})
		got, err := w.repo("app").Tags(w.Context())
		if err != nil || !slices.Equal(got, []string{"1", "2"}) {
			w.Fatalf("%q, %v", got, err)
		}
		if e := w.reg.Requests("GET", "/tags/list")[2]; e.Query != "n=1&last=1" || e.Authorization() != "" {
			w.Errorf("asked for %q with %q", e.Query, e.Authorization())
		}
	})
}

func TestTagsRefuse(t *testing.T) {
	for name, page := range map[string][]string{
		"a web page":     {"<!DOCTYPE html>", "Content-Type", "text/html; charset=utf-8"},
		"no JSON":        {"tags: 1"},
		"another shape":  {`{"tags":"1"}`},
		"a large answer": {`{"tags":["` + strings.Repeat("x", maxList) + `"]}`},
		"a circle":       {`{"tags":["1"]}`, "Link", next("/v2/app/tags/list")},
		"a bad address":  {`{"tags":["1"]}`, "Link", next("http://[::1/")},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.On(tagLists, fakeregistry.Answer(200, page[0], page[1:]...))
				_, err := w.repo("app").Tags(w.Context())
				var refused *refusal
				if !errors.As(err, &refused) {
					w.Error(err)
				}
				if n := len(w.reg.Requests("GET", "/tags/list")); n > 2 {
					w.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// A list without an end is given up, be its pages small, empty or large.
func TestTagsAreBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		size   int
		tags   string
		atMost int
	}{
		"pages":       {10, `"a"`, maxPages},
		"empty pages": {10, ``, maxEmpty + 1},
		"bytes":       {maxList / 8, `"a"`, 9},
		"names":       {0, `"a"` + strings.Repeat(`,""`, maxNames/5), 6},
		"names, once": {0, strings.Repeat(`"",`, maxNames) + `"a"`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				page, asked := strings.Repeat(" ", tc.size)+`{"tags":[`+tc.tags+`]}`, 0
				w.reg.On(tagLists, func(http.Handler) http.Handler {
					return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
						asked++
						rw.Header().Set("Link", next(fmt.Sprintf("?last=%d", asked)))
						rw.Write([]byte(page))
					})
				})
				_, err := w.repo("app").Tags(w.Context())
				var refused *refusal
				if !errors.As(err, &refused) || asked > tc.atMost || asked < tc.atMost/2 {
					w.Errorf("after %d pages: %v", asked, err)
				}
			})
		})
	}
}

// Everything at once is fastest, where a registry gives it.
func TestWild33TagsAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(tagLists, fakeregistry.Answer(200, `{"tags":["a"`+strings.Repeat(`,"b"`, 100_000)+`]}`))
		got, err := w.repo("app").Tags(w.Context())
		asked := w.reg.Requests("GET", "/tags/list")
		if err != nil || len(got) != 2 || len(asked) != 1 || asked[0].Query != "" {
			w.Errorf("%d tags, %d requests, %v", len(got), len(asked), err)
		}
	})
}

// Registries that give little at once are asked for more, and those that fail to give all for a part.
func TestWild33PagesOfTags(t *testing.T) {
	for name, first := range map[string]fakeregistry.Fault{
		"small pages": fakeregistry.Answer(200, `{"tags":["a"]}`, "Link", next("/v2/app/tags/list?n=1&last=a")),
		"too much":    fakeregistry.Status(504),
		"n is wanted": fakeregistry.Status(400),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				image := w.reg.PutImage("app", "a", oneLayer)
				for i := range 1500 {
					w.reg.PutManifest("app", fmt.Sprintf("b%04d", i), image.MediaType, w.reg.Manifest("app", image.Digest))
				}
				match := tagLists
				match.Count = 1
				w.reg.On(match, first)
				began := time.Now()
				got, err := w.repo("app").Tags(w.Context())
				asked := w.reg.Requests("GET", "/tags/list")
				if err != nil || len(got) != 1501 || len(asked) != 3 || asked[1].Query != "n=1000" ||
					time.Since(began) > 0 {
					w.Errorf("%d tags, %d requests, %s, %v", len(got), len(asked), time.Since(began), err)
				}
			})
		})
	}
}

// A Link that leads nowhere still says where in the list to go on.
func TestWild09LinkLeadsNowhere(t *testing.T) {
	for name, link := range map[string]string{
		"a path without the prefix": "/v2/wrong/app/tags/list?last=a&n=1",
		"an inner host":             "http://10.0.0.7:8081/v2/app/tags/list?last=a&n=1",
		"an inner name":             "https://nexus:8443/repository/v2/app/tags/list?n=1&last=a",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.On(fakeregistry.Match{Path: "/wrong/"}, fakeregistry.Status(400))
				first, second := tagLists, tagLists
				first.Func = func(req *http.Request) bool { return req.URL.Query().Get("last") == "" }
				second.Func = func(req *http.Request) bool {
					return req.URL.Path == "/v2/app/tags/list" && req.URL.Query().Get("last") == "a"
				}
				third := tagLists
				third.Func = func(req *http.Request) bool {
					return req.URL.Path == "/v2/app/tags/list" && req.URL.Query().Get("last") == "b"
				}
				w.reg.On(first, fakeregistry.Answer(200, `{"tags":["a"]}`, "Link", next(link)))
				w.reg.On(second, fakeregistry.Answer(200, `{"tags":["b"]}`,
					"Link", next(strings.Replace(link, "last=a", "last=b", 1))))
				w.reg.On(third, fakeregistry.Answer(200, `{"tags":["c"]}`))
				got, err := w.repo("app").Tags(w.Context())
				if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
					w.Errorf("%q, %v", got, err)
				}
				if n := len(w.reg.Requests("GET", "/wrong/")); n > 1 {
					w.Errorf("the wrong address was asked %d times", n)
				}
			})
		})
	}
}

// Some write the address without its brackets.
func TestWild09LinkWithoutBrackets(t *testing.T) {
	inBubble(t, func(w *world) {
		first, second := tagLists, tagLists
		first.Func = func(req *http.Request) bool { return req.URL.Query().Get("last") == "" }
		second.Func = func(req *http.Request) bool { return req.URL.Query().Get("last") == "a" }
		w.reg.On(first, fakeregistry.Answer(200, `{"tags":["a"]}`,
			"Link", `/v2/app/tags/list?last=a&n=1; rel="next"`))
		w.reg.On(second, fakeregistry.Answer(200, `{"tags":["b"]}`, "Link", "; <, preload"))
		got, err := w.repo("app").Tags(w.Context())
		if err != nil || !slices.Equal(got, []string{"a", "b"}) {
			w.Errorf("%q, %v", got, err)
		}
	})
}

func TestWild09BrokenOff(t *testing.T) {
	for name, link := range map[string]string{
		"no place": "/v2/wrong", "refused there too": "/v2/wrong?last=a", "no address": "http://[::1/",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				first := tagLists
				first.Func = func(req *http.Request) bool { return req.URL.Query().Get("last") == "" }
				w.reg.On(first, fakeregistry.Answer(200, `{"tags":["a"]}`, "Link", next(link)))
				w.reg.On(fakeregistry.Match{Path: "/v2/wrong"}, fakeregistry.Status(400))
				last := tagLists
				last.Func = func(req *http.Request) bool { return req.URL.Query().Get("last") != "" }
				w.reg.On(last, fakeregistry.Status(404))
				got, err := w.repo("app").Tags(w.Context())
				if err == nil || !slices.Equal(got, []string{"a"}) {
					w.Errorf("%q, %v", got, err)
				}
			})
		})
	}
}

func TestWild17Repositories(t *testing.T) {
	catalog := fakeregistry.Match{Method: "GET", Path: "/v2/_catalog"}
	page := func(n int, body string, header ...string) (fakeregistry.Match, fakeregistry.Fault) {
		m := catalog
		m.First, m.Count = n, 1
		return m, fakeregistry.Answer(200, body, header...)
	}
	inBubble(t, func(w *world) {
		w.reg.On(page(1, `{"repositories":["a"]}`, "Link", next("/v2/_catalog?last=a&n=1")))
		w.reg.On(page(2, `{"repositories":["a","b/c"]}`, "Link", next("/v2/_catalog?last=b%2Fc&n=1000")))
		w.reg.On(page(3, `{"repositories":null}`))
		got, err := w.client.Repositories(w.Context(), "registry.test")
		if err != nil || !slices.Equal(got, []string{"a", "b/c"}) {
			w.Errorf("%q, %v", got, err)
		}
	})
	for status, want := range map[int]error{
		404: ErrNotFound, 403: ErrDenied, 500: ErrUnavailable, 501: ErrUnavailable,
	} {
		inBubble(t, func(w *world) {
			w.reg.On(catalog, fakeregistry.Status(status))
			if got, err := w.client.Repositories(w.Context(), "registry.test"); got != nil || !errors.Is(err, want) {
				w.Errorf("%d: %q, %v", status, got, err)
			}
		})
	}
	inBubble(t, func(w *world) {
		w.tokenServer(&fakeregistry.Tokens{})
		w.login(Credential{Username: "me", Password: "secret"})
		w.reg.On(catalog, fakeregistry.Answer(200, `{"repositories":["a"]}`))
		if got, err := w.client.Repositories(w.Context(), "registry.test"); err != nil || len(got) != 1 {
			w.Errorf("%q, %v", got, err)
		}
	})
}

// Tags that are numbers are shown as they are written. What is no text and no number is left out.
func TestTagsThatAreNoText(t *testing.T) {
	inBubble(t, func(w *world) {
		w.pages([2]string{`{"tags":[1.10,"a",20260101,null,{"name":"b"},["c"],true,-1,3e2,"3e2"]}`, ""})
		got, err := w.repo("app").Tags(w.Context())
		if diff := cmp.Diff([]string{"1.10", "a", "20260101", "3e2"}, got); diff != "" || err != nil {
			w.Error(diff, err)
		}
		if told := w.told(); len(told) != 1 || !strings.Contains(told[0], `5 tags that are none, the first is "JSON null"`) {
			w.Errorf("told %q", told)
		}
	})
}
