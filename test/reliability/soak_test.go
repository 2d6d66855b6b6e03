//go:build linux

package reliability

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

// weather is what may happen to any request, each with a chance of its own.
var weather = []struct {
	match fakeregistry.Match
	fault fakeregistry.Fault
}{
	{fakeregistry.Match{Chance: 0.02}, fakeregistry.Status(503)},
	{fakeregistry.Match{Chance: 0.02}, fakeregistry.Status(500)},
	{fakeregistry.Match{Chance: 0.01}, fakeregistry.Status(429, "Retry-After", "1")},
	{fakeregistry.Match{Chance: 0.03}, fakeregistry.Abort(1000)},
	{fakeregistry.Match{Method: http.MethodGet, Chance: 0.05}, fakeregistry.Cut(40_000)},
	{fakeregistry.Match{Method: http.MethodGet, Chance: 0.05}, fakeregistry.End(90_000)},
	{fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/", Chance: 0.02}, fakeregistry.FlipByte(500)},
	{fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/", Chance: 0.02}, fakeregistry.Extra("!")},
	{fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/", Chance: 0.03}, fakeregistry.IgnoreRange()},
	{fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/", Chance: 0.03}, fakeregistry.ShiftRange(1)},
	{fakeregistry.Match{Method: http.MethodPatch, Chance: 0.05}, fakeregistry.CutBody(50_000)},
	{fakeregistry.Match{Method: http.MethodPut, Chance: 0.03}, fakeregistry.LoseAnswer()},
	{fakeregistry.Match{Method: http.MethodPatch, Chance: 0.03}, fakeregistry.LoseAnswer()},
}

// soaked is what came of all runs.
type soaked struct {
	mu                         sync.Mutex
	runs, struck, again, wrong int
}

// TestSoak fetches, saves and pushes in bad weather. DRAYAGE_SOAK is how many seeds are tried,
// DRAYAGE_SOAK_SEED the first of them.
func TestSoak(t *testing.T) {
	count, first := number(t, "DRAYAGE_SOAK", 8), number(t, "DRAYAGE_SOAK_SEED", 1)
	var all soaked
	t.Cleanup(func() { all.enter(t) })
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			defer slot()()
			f := fault{name: "weather", run: func(tr *try) { all.soak(tr, uint64(seed)) }}
			if o, tr := attempt(t, f, seed%2 == 1); o.Outcome == Missed {
				all.mu.Lock()
				all.wrong++
				all.mu.Unlock()
				t.Errorf("DRAYAGE_SOAK_SEED=%d DRAYAGE_SOAK=1 repeats it: %s", seed, strings.Join(tr.missed, "\n"))
			}
		})
	}
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// soak carries one image the whole way.
func (a *soaked) soak(t *try, seed uint64) {
	img := newImage(fmt.Sprint("soak", seed), 9<<20, 400<<10, 60<<10, 3<<10)
	from, to := t.registry(), t.registry()
	from.seed("app", "1", img)
	for _, s := range []*site{from, to} {
		s.Seed = seed
		for _, w := range weather {
			s.On(w.match, w.fault)
		}
	}
	a.persist(t, "fetch", from.ref("app:1"), "-o", "images")
	t.holds("images", from.ref("app:1"), img)
	a.persist(t, "save", from.ref("app:1"), "-o", "image.tar")
	t.savedAs("image.tar", img)
	a.persist(t, "push", "images", to.ref("app:1"))
	a.persist(t, "push", "image.tar", to.ref("tar:1"))
	struck := 0
	for _, s := range []*site{from, to} {
		for _, n := range s.Struck() {
			struck += n
		}
	}
	to.served("app", "1", img)
	t.arrived(to, "tar", "1", img)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs++
	a.struck += struck
}

// persist repeats a command that fails, as a person would. Only failures of the network and of the content
// may happen.
func (a *soaked) persist(t *try, args ...string) {
	for range 6 {
		r := t.run(args...)
		if r.code == 0 {
			return
		}
		t.failed(r, []int{exitNetwork, exitIntegrity})
		t.sound("images")
		t.Logf("repeated: %s", r)
		a.mu.Lock()
		a.again++
		a.mu.Unlock()
	}
	t.Fatalf("drayage %s has not succeeded in six runs", strings.Join(args, " "))
}

// enter puts the figures of a long run into the document.
func (a *soaked) enter(t *testing.T) {
	t.Logf("%d images, %d faults, %d commands had to be repeated, %d went wrong", a.runs, a.struck, a.again,
		a.wrong)
	if !*update || a.runs+a.wrong < 50 {
		return
	}
	s := Section{
		Title: "Bad weather", Date: time.Now().UTC().Format(time.DateOnly), Source: "DRAYAGE_SOAK=" +
			fmt.Sprint(a.runs+a.wrong) + " make soak",
		Text: "Each run carries an image of four layers all the way: fetch, save from the registry, push of " +
			"the layout, push of the tar. Thirteen faults may meet every request, each with a chance of one " +
			"to five in a hundred. A seed decides. The faults are refusals, resets, early ends, flipped " +
			"bytes, wrong ranges and lost answers. A command that fails is run again.",
		Head: []string{"images carried", "right at the end", "faults met", "commands run", "repeated"},
		Rows: [][]string{{fmt.Sprint(a.runs + a.wrong), fmt.Sprint(a.runs), fmt.Sprint(a.struck),
			fmt.Sprint(4*a.runs + a.again), fmt.Sprint(a.again)}},
	}
	if err := s.Save(results, "10-weather"); err != nil {
		t.Fatal(err)
	}
	render(t)
}
