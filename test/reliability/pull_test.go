//go:build linux

package reliability

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

// group is a part of the table.
type group struct {
	name  string
	cases []trouble
}

var groups = []group{
	{"Pull: registry and network", append(pullCases, answerCases...)},
	{"Push", pushCases},
	{"Disk and process", ordered(diskCases, processCases)},
	{"Hostile archives", slices.Concat(archiveCases, streamCases)},
	{"Hostile manifests", graphCases},
}

// ordered is the cases of several lists by their numbers.
func ordered(lists ...[]trouble) []trouble {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b trouble) int { return a.number - b.number })
	return all
}

var pullCases = []trouble{
	{1, "connection reset after some bytes of a blob, again and again",
		"resumes with Range after the last byte that came; each progress renews the budget of tries", "", []fault{
			{name: "three resets", run: fetchOver(3, fakeregistry.Cut(900<<10))},
			{name: "a reset in the first byte, twice", run: fetchOver(2, fakeregistry.Cut(1))},
			{name: "a reset about every megabyte of a layer of 16 MB", run: fetchOfManyResets},
		}},
	{2, "right Content-Length, body ends early", "resumes as after a reset; a short blob never gets its name",
		"", []fault{
			{name: "end in good order", run: fetchOver(3, fakeregistry.End(900<<10))},
			{name: "end of a chunked body", run: fetchOver(2, fakeregistry.Short(900<<10))},
		}},
	{3, "right length, wrong bytes",
		"fetches the blob once more from its start, then fails and names the digest; " +
			"wrong bytes never get the name", "",
		[]fault{
			{name: "once", run: fetchOver(1, fakeregistry.FlipByte(1000))},
			{name: "always", run: fetchFails([]int{exitIntegrity}, fakeregistry.FlipByte(1000), "sha256:",
				"mismatch|bytes")},
			{name: "once, in the middle of a layer in ranges",
				run: fetchLargeOver(fakeregistry.Match{First: 2, Count: 1}, fakeregistry.FlipByte(70000))},
		}},
	{4, "more bytes than the descriptor says", "stops at the first byte too many, then does as with wrong bytes",
		"", []fault{
			{name: "once", run: fetchOver(1, fakeregistry.Extra("more"))},
			{name: "always", run: fetchFails([]int{exitIntegrity}, fakeregistry.Extra("more"), "sha256:")},
			{name: "without end", run: fetchFails([]int{exitIntegrity, exitNetwork},
				fakeregistry.Endless(200, "0123456789"), "sha256:")},
		}},
	{5, "Docker-Content-Digest lies or is missing, or the manifest is not the pinned one",
		"drayage's own hash decides, whatever headers say", "", []fault{
			{name: "header lies", run: fetchManifestOver(fakeregistry.Header("Docker-Content-Digest",
				digest.FromString("other").String()))},
			{name: "header is missing", run: fetchManifestOver(fakeregistry.Header("Docker-Content-Digest", ""))},
			{name: "body is another, header agrees with the pin", run: fetchPinnedFails},
		}},
	{6, "429 and 503 with every kind of Retry-After",
		"waits as told, up to three minutes, for the whole host; fails and tells the wait if it is longer", "",
		retryAfterFaults()},
	{7, "bursts of 500, 502, 504, 408 and 522", "tries again, with growing and random delays", "",
		burstFaults()},
	{8, "the token expires in the middle",
		"asks for one fresh token and resumes; fails at once with wrong credentials", "", []fault{
			{name: "between two blobs", run: fetchWithRevokedTokens(fakeregistry.Match{Path: "/blobs/", First: 2,
				Count: 1}, nil)},
			{name: "when a broken blob goes on", run: fetchWithRevokedTokens(fakeregistry.Match{Path: "/blobs/",
				First: 1, Count: 1}, fakeregistry.Cut(10<<10))},
			{name: "before the end of an upload", run: pushWithRevokedTokens},
			{name: "wrong password", run: wrongPasswordIsSentRarely(1, 1)},
			{name: "wrong password, six repositories", run: wrongPasswordIsSentRarely(6, 3)},
		}},
	{9, "redirects in a loop, too many, to http, to nowhere",
		"fails at once and names where it was sent; never goes from https to http", "", []fault{
			{name: "loop", run: redirected(func(s *site) fakeregistry.Fault {
				return fakeregistry.Redirect(307, s.URL())
			}, "redirects")},
			{name: "no Location", run: redirected(func(*site) fakeregistry.Fault {
				return fakeregistry.Status(307)
			}, "Location|307")},
			{name: "to a file", run: redirected(func(*site) fakeregistry.Fault {
				return fakeregistry.Status(307, "Location", "file:///etc/passwd")
			}, "file")},
			{name: "from https to http", run: redirected(func(*site) fakeregistry.Fault {
				return fakeregistry.Redirect(307, "http://127.0.0.1:1")
			}, "https"), only: true},
		}},
	{10, "sent to another host by a redirect, a Link or an upload Location",
		"sends authorization only to the registry's origin; sends a password only to the token server that the " +
			"registry names", "", []fault{
			{name: "redirected blob", run: redirectGetsNoSecret},
			{name: "redirect that expires", run: redirectThatExpires},
			{name: "redirect to a cloud's metadata address", run: redirectToMetadata},
			{name: "token server that sends elsewhere", run: realmGetsNoSecretOn},
			{name: "Link of the next tags", run: linkGetsNoSecret},
			{name: "upload Location", run: locationGetsNoSecret},
		}},
}

// fetchOver fetches an image while the first n reads of layers meet a fault.
func fetchOver(n int, f fakeregistry.Fault) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.breaks(img, fakeregistry.Match{Count: n}, f)
		t.must("fetch", s.ref("app:1"), "-o", "images", "-j", "1")
		t.holds("images", s.ref("app:1"), img)
		s.struck(n)
		t.note("%d KiB sent again", s.again(img)>>10)
	}
}

// fetchLargeOver fetches an image with a layer that is read in ranges.
func fetchLargeOver(m fakeregistry.Match, f fakeregistry.Fault) func(*try) {
	return func(t *try) {
		s, img := t.seeded(10<<20, 10<<10)
		s.breaks(img, m, f)
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		s.struck(1)
	}
}

// fetchFails fetches an image whose layers never arrive well, and lets the registry recover afterwards.
func fetchFails(codes []int, f fakeregistry.Fault, says ...string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.breaks(img, fakeregistry.Match{}, f)
		t.bounded(t.fails(codes, says, "fetch", s.ref("app:1"), "-o", "images"))
		t.lacks("images", s.ref("app:1"))
		s.struck(1)
		s.Heal()
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
	}
}

func fetchManifestOver(f fakeregistry.Fault) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.On(fakeregistry.Match{Path: "/manifests/"}, f)
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		s.struck(1)
	}
}

func fetchPinnedFails(t *try) {
	s, img := t.seeded()
	other := newImage("another")
	s.seed("app", "2", other)
	s.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Rewrite(func([]byte) []byte {
		return other.manifest
	}))
	pinned := s.ref("app@" + img.desc.Digest.String())
	t.fails([]int{exitIntegrity}, []string{img.desc.Digest.String()}, "fetch", pinned, "-o", "images")
	t.lacks("images", pinned)
}

// fetchOfManyResets breaks every connection after a megabyte or two, more often than any fixed number of
// tries.
func fetchOfManyResets(t *try) {
	s, img := t.seeded(16 << 20)
	random := rand.New(rand.NewPCG(1, 1))
	s.breaks(img, fakeregistry.Match{Count: 30}, func(next http.Handler) http.Handler {
		return fakeregistry.Cut(1100<<10 + random.Int64N(200<<10))(next) // rules are applied under a lock
	})
	t.must("fetch", s.ref("app:1"), "-o", "images", "-j", "2")
	t.holds("images", s.ref("app:1"), img)
	s.struck(8)
	t.note("%d resets, %d KiB sent again", s.Struck()[0], s.again(img)>>10)
}

func retryAfterFaults() (all []fault) {
	values := map[string]func() string{
		"seconds":     func() string { return "1" },
		"a date":      func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) },
		"0":           func() string { return "0" },
		"a past date": func() string { return "Mon, 02 Jan 2006 15:04:05 GMT" },
		"garbage":     func() string { return "soon; -1e9" },
	}
	for _, status := range []int{429, 503} {
		for _, name := range []string{"seconds", "a date", "0", "a past date", "garbage"} {
			all = append(all, fault{name: fmt.Sprintf("%d, %s", status, name), run: func(t *try) {
				fetchOver(2, fakeregistry.Status(status, "Retry-After", values[name]()))(t)
				t.figure = ""
			}})
		}
		all = append(all, fault{name: fmt.Sprintf("%d, two hours", status), run: func(t *try) {
			s, _ := t.seeded()
			s.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Status(status, "Retry-After", "7200"))
			t.fails([]int{exitNetwork}, []string{"wait"}, "fetch", s.ref("app:1"), "-o", "images")
			if n := len(s.Requests("GET", "/manifests/")); n != 1 {
				t.Errorf("asked %d times", n)
			}
		}})
	}
	return all
}

func burstFaults() (all []fault) {
	for _, status := range []int{500, 502, 504, 408, 522} {
		all = append(all, fault{name: fmt.Sprintf("%d for manifest and blob", status), run: func(t *try) {
			s, img := t.seeded()
			s.On(fakeregistry.Match{Path: "/manifests/", Count: 2}, fakeregistry.Status(status))
			s.On(fakeregistry.Match{Path: "/blobs/", Count: 3}, fakeregistry.Status(status))
			t.must("fetch", s.ref("app:1"), "-o", "images")
			t.holds("images", s.ref("app:1"), img)
			s.struck(2)
		}})
	}
	all = append(all, fault{name: "502 of the token server", run: func(t *try) {
		s, reg := t.fake()
		want := reg.PutImage("app", "1",
			fakeregistry.Image{Layers: []fakeregistry.Layer{fakeregistry.GzipLayer(imagetest.Pack())}})
		tokens := &fakeregistry.Tokens{}
		realm := t.serve(tokens)
		reg.RequireToken(tokens, realm.URL()+"/token")
		realm.On(fakeregistry.Match{Count: 2}, fakeregistry.Status(502))
		t.must("fetch", s.ref("app:1"), "-o", "images")
		if got := t.sound("images")[s.ref("app:1")]; got.Digest != want.Digest {
			t.Errorf("fetched %q, want %s", got.Digest, want.Digest)
		}
		realm.struck(2)
	}})
	return append(all, fault{name: "500 for ever", run: fetchFails([]int{exitNetwork}, fakeregistry.Status(500),
		"500")})
}

const user, password = "ann", "s3cret-s3cret"

// guarded is a registry that wants tokens, which its token server gives to one user.
func (t *try) guarded() (*site, *fakeregistry.Registry, *fakeregistry.Tokens) {
	s, reg := t.fake()
	tokens := &fakeregistry.Tokens{Users: map[string]string{user: password}}
	reg.RequireToken(tokens, t.serve(tokens).URL()+"/token")
	return s, reg, tokens
}

// put stores an image in a registry in memory.
func (img *image) put(reg *fakeregistry.Registry, name, tag string) {
	for _, blob := range img.blobs() {
		reg.PutBlob(name, blob)
	}
	reg.PutManifest(name, tag, img.desc.MediaType, img.manifest)
}

func fetchWithRevokedTokens(m fakeregistry.Match, also fakeregistry.Fault) func(*try) {
	return func(t *try) {
		s, reg, tokens := t.guarded()
		img := newImage("guarded")
		img.put(reg, "app", "1")
		if also != nil {
			s.On(m, also)
		}
		s.On(m, fakeregistry.Call(func(*http.Request) { tokens.Revoke() }))
		t.must("fetch", s.ref("app:1"), "-o", "images", "--creds", user+":"+password, "-j", "1")
		t.holds("images", s.ref("app:1"), img)
		s.struck(1)
		if n := len(tokens.Requests("", "")); n != 2 {
			t.Errorf("%d tokens were asked for, want 2", n)
		}
	}
}

func pushWithRevokedTokens(t *try) {
	s, _, tokens := t.guarded()
	img := newImage("guarded")
	t.write("image.tar", img.saved(s.ref("app:1")))
	s.On(fakeregistry.Match{Method: http.MethodPut, Path: "/uploads/", Count: 1},
		fakeregistry.Call(func(*http.Request) { tokens.Revoke() }))
	t.must("push", "image.tar", s.ref("app:1"), "--creds", user+":"+password)
	s.struck(1)
	t.must("fetch", s.ref("app:1"), "-o", "back", "--creds", user+":"+password)
	t.sound("back")
}

// wrongPasswordIsSentRarely fetches from several repositories with one wrong password, for which accounts get
// locked.
func wrongPasswordIsSentRarely(repositories, most int) func(*try) {
	return func(t *try) {
		s, reg, tokens := t.guarded()
		img := newImage("guarded")
		args := []string{"fetch", "-o", "images", "--creds", user + ":wrong-wrong"}
		for i := range repositories {
			name := fmt.Sprintf("app%d", i)
			img.put(reg, name, "1")
			args = append(args, s.ref(name+":1"))
		}
		r := t.fails([]int{exitDenied}, []string{s.Addr()}, args...)
		if strings.Contains(r.stderr, "wrong-wrong") {
			t.Error("the password is in the error")
		}
		if n := len(tokens.Requests("", "")); n == 0 || n > most {
			t.Errorf("the password was sent %d times, want at most %d", n, most)
		}
	}
}

func redirected(to func(*site) fakeregistry.Fault, says string) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.breaks(img, fakeregistry.Match{}, to(s))
		t.fails([]int{exitOther, exitNetwork, exitDenied}, []string{says}, "fetch", s.ref("app:1"), "-o", "images")
		t.lacks("images", s.ref("app:1"))
		if n := len(s.Requests("", "")); n > 60 {
			t.Errorf("%d requests were made", n)
		}
	}
}

// secretless checks that a foreign host was asked and told nothing.
func (t *try) secretless(foreign *site, least int) {
	all := foreign.Requests("", "")
	if len(all) < least {
		t.Errorf("the other host was asked %d times, want at least %d", len(all), least)
	}
	for _, e := range all {
		if e.Authorization() != "" || e.Header.Get("Cookie") != "" || strings.Contains(e.Query, password) {
			t.Errorf("%s %s of another host was sent %v", e.Method, e.Path, e.Header)
		}
	}
}

func redirectGetsNoSecret(t *try) {
	s, reg, _ := t.guarded()
	img := newImage("guarded")
	img.put(reg, "app", "1")
	storage, held := t.fake()
	img.put(held, "app", "1")
	s.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(307, storage.URL()))
	t.must("fetch", s.ref("app:1"), "-o", "images", "--creds", user+":"+password)
	t.holds("images", s.ref("app:1"), img)
	t.secretless(storage, 4)
}

// redirectThatExpires sends to an address that is good for one request: what goes on must come back to the
// registry first.
func redirectThatExpires(t *try) {
	s, reg := t.fake()
	img := newImage("guarded")
	img.put(reg, "app", "1")
	storage, held := t.fake()
	img.put(held, "app", "1")
	given := 0
	s.On(fakeregistry.Match{Path: "/blobs/"}, func(http.Handler) http.Handler {
		given++
		return fakeregistry.Redirect(307, fmt.Sprintf("%s?ticket=%d", storage.URL(), given))(nil)
	})
	used := map[string]bool{}
	storage.On(fakeregistry.Match{Path: "/blobs/"}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.mu.Lock()
			stale := used[r.URL.RawQuery]
			used[r.URL.RawQuery] = true
			n := len(used)
			t.mu.Unlock()
			switch {
			case stale:
				w.WriteHeader(http.StatusForbidden)
			case n <= 3:
				fakeregistry.Cut(1)(next).ServeHTTP(w, r)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	t.must("fetch", s.ref("app:1"), "-o", "images", "-j", "1")
	t.holds("images", s.ref("app:1"), img)
}

func redirectToMetadata(t *try) {
	s, img := t.seeded()
	address := strings.Replace(s.URL(), s.Addr(), "169.254.169.254", 1)
	s.breaks(img, fakeregistry.Match{}, fakeregistry.Redirect(307, address))
	t.fails([]int{exitOther, exitNetwork, exitDenied}, []string{"link-local"}, "fetch", s.ref("app:1"), "-o",
		"images")
	t.lacks("images", s.ref("app:1"))
}

// realmGetsNoSecretOn has a token server that redirects to a host which would like to know the password.
func realmGetsNoSecretOn(t *try) {
	s, reg := t.fake()
	newImage("guarded").put(reg, "app", "1")
	tokens := &fakeregistry.Tokens{Users: map[string]string{user: password}}
	realm, foreign := t.serve(tokens), t.serve(&fakeregistry.Tokens{})
	reg.RequireToken(tokens, realm.URL()+"/token")
	realm.On(fakeregistry.Match{}, fakeregistry.Redirect(307, foreign.URL()))
	t.fails([]int{exitOther, exitNetwork, exitDenied}, []string{s.Addr()}, "fetch", s.ref("app:1"), "-o",
		"images", "--creds", user+":"+password)
	t.secretless(foreign, 0)
}

func linkGetsNoSecret(t *try) {
	s, reg, _ := t.guarded()
	newImage("guarded").put(reg, "app", "1")
	foreign, _ := t.fake()
	s.On(fakeregistry.Match{Path: "/tags/list"},
		fakeregistry.Header("Link", "<"+foreign.URL()+`/v2/app/tags/list?last=1>; rel="next"`))
	t.run("ls", s.ref("app"), "--creds", user+":"+password)
	t.secretless(foreign, 0)
}

func locationGetsNoSecret(t *try) {
	s, reg, _ := t.guarded()
	img := newImage("guarded")
	storage, held := t.fake()
	t.write("image.tar", img.saved(s.ref("app:1")))
	reg.Location = func(_ *http.Request, path string) string { return storage.URL() + path }
	t.run("push", "image.tar", s.ref("app:1"), "--creds", user+":"+password)
	t.secretless(storage, 1)
	if blobs, _, _ := held.Stored("app"); blobs != 0 || bytes.Contains(img.config, []byte(password)) {
		t.Errorf("%d blobs were stored elsewhere", blobs)
	}
	s.unnamed("app", "1")
}
