package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// noise is content that does not repeat, so that a piece in the wrong place cannot be right.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

var blobs = fakeregistry.Match{Method: "GET", Path: "/blobs/"}

func nth(first, count int) fakeregistry.Match {
	return fakeregistry.Match{Method: "GET", Path: "/blobs/", First: first, Count: count}
}

// ranges are the ranges that were asked for, in order.
func ranges(reg *fakeregistry.Registry) []string {
	all := []string{}
	for _, e := range reg.Requests("GET", "/blobs/") {
		all = append(all, e.Range())
	}
	return all
}

func TestOpen(t *testing.T) {
	content := noise(1000)
	for name, fault := range map[string]fakeregistry.Fault{
		"ranges": nil, "no ranges": fakeregistry.IgnoreRange(), "chunked": fakeregistry.Header("Content-Length",
			""),
		"ranges refused": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Range") != "" {
					w.WriteHeader(400)
					return
				}
				next.ServeHTTP(w, req)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("app", content)
				if fault != nil {
					w.reg.On(blobs, fault)
				}
				for _, at := range [][2]int64{{0, -1}, {0, 1000}, {0, 2000}, {0, 10}, {1, 1}, {999, 1}, {999, -1},
					{500, -1}, {500, 100}, {500, 5000}} {
					want := content[at[0]:]
					if at[1] >= 0 {
						want = want[:min(at[1], int64(len(want)))]
					}
					rc, err := w.repo("app").Open(w.Context(), d, at[0], at[1])
					part := at[1] >= 0 && int64(len(want)) < d.Size
					if strings.Contains(name, "no ranges") || name == "ranges refused" {
						if part {
							if !errors.Is(err, image.ErrNoRanges) {
								w.Errorf("%v: %v, want that there are no ranges", at, err)
							}
							continue
						}
					}
					if err != nil {
						w.Errorf("%v: %v", at, err)
						continue
					}
					if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, want) {
						w.Errorf("%v: %d bytes, %v; want %d", at, len(got), err, len(want))
					}
					rc.Close()
				}
			})
		})
	}
}

// Ranges are asked for only where they are needed: some registries refuse them from the start.
func TestOpenWholeHasNoRange(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", noise(1000))
		if _, err := w.fetchBlob(d); err != nil {
			w.Error(err)
		}
		if diff := cmp.Diff([]string{""}, ranges(w.reg)); diff != "" {
			w.Error(diff)
		}
	})
}

// A blob that breaks off goes on where it stopped: nothing is sent twice, nothing is missing.
func TestBlobResumes(t *testing.T) {
	content := noise(100_000)
	cut := func(w *world, at ...int64) {
		for i, k := range at {
			w.reg.On(nth(i+1, 1), fakeregistry.Cut(k))
		}
	}
	for name, tc := range map[string]struct {
		faults func(*world)
		ranges []string
		sent   int64
	}{
		"cut once":       {func(w *world) { cut(w, 40_000) }, []string{"", "bytes=40000-99999"}, 100_000},
		"cut at once":    {func(w *world) { cut(w, 0) }, []string{"", ""}, 100_000},
		"cut at the end": {func(w *world) { cut(w, 99_999) }, []string{"", "bytes=99999-99999"}, 100_000},
		"cut three times": {func(w *world) { cut(w, 1, 49_999, 25_000) },
			[]string{"", "bytes=1-99999", "bytes=50000-99999", "bytes=75000-99999"}, 100_000},
		"ended too early": {func(w *world) { w.reg.On(nth(1, 1), fakeregistry.Short(30_000)) },
			[]string{"", "bytes=30000-99999"}, 100_000},
		"stalled": {func(w *world) { w.reg.On(nth(1, 1), fakeregistry.Stall(30_000)) },
			[]string{"", "bytes=30000-99999"}, 100_000},
		"then unavailable": {func(w *world) { cut(w, 10_000); w.reg.On(nth(2, 2), fakeregistry.Status(503)) },
			[]string{"", "bytes=10000-99999", "bytes=10000-99999", "bytes=10000-99999"}, 100_000},
		"then no ranges": {func(w *world) { cut(w, 10_000); w.reg.On(nth(2, 1), fakeregistry.IgnoreRange()) },
			[]string{"", "bytes=10000-99999"}, 110_000},
		"then out of range": {func(w *world) { cut(w, 10_000); w.reg.On(nth(2, 1), fakeregistry.Status(416)) },
			[]string{"", "bytes=10000-99999", ""}, 110_000},
		"then a range from before": {func(w *world) {
			cut(w, 10_000)
			w.reg.On(nth(2, 1),
				fakeregistry.ShiftRange(-1000))
		},
			[]string{"", "bytes=10000-99999", ""}, -1},
		"then a range from behind": {func(w *world) {
			cut(w, 10_000)
			w.reg.On(nth(2, 1),
				fakeregistry.ShiftRange(1000))
		},
			[]string{"", "bytes=10000-99999", ""}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("app", content)
				tc.faults(w)
				got, err := w.fetchBlob(d)
				if err != nil || !bytes.Equal(got, content) {
					w.Errorf("%d bytes, %v", len(got), err)
				}
				if diff := cmp.Diff(tc.ranges, ranges(w.reg)); diff != "" {
					w.Error(diff)
				}
				if sent := w.reg.Sent("GET", "/blobs/"); tc.sent >= 0 && sent != tc.sent {
					w.Errorf("%d bytes were sent, want %d", sent, tc.sent)
				}
			})
		})
	}
}

// A server that labels its ranges wrongly is never believed; a blob comes out right or not at all.
func TestBlobIsNeverSpliced(t *testing.T) {
	content := noise(50_000)
	for name, fault := range map[string]fakeregistry.Fault{
		"no label":    fakeregistry.Header("Content-Range", ""),
		"garbage":     fakeregistry.Header("Content-Range", "bytes something"),
		"wrong total": fakeregistry.Header("Content-Range", "bytes 20000-49999/60000"),
		"wrong end":   fakeregistry.Header("Content-Range", "bytes 20000-39999/50000"),
		"shifted":     fakeregistry.ShiftRange(5),
		"mislabelled": func(next http.Handler) http.Handler {
			return fakeregistry.Header("Content-Range", "bytes 20000-49999/50000")(fakeregistry.ShiftRange(5)(next))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("app", content)
				w.reg.On(nth(1, 1), fakeregistry.Cut(20_000))
				ranged := func(req *http.Request) bool { return req.Header.Get("Range") != "" }
				w.reg.On(fakeregistry.Match{Func: ranged}, fault)
				if got, err := w.fetchBlob(d); err == nil && !bytes.Equal(got, content) {
					w.Errorf("%d bytes that are not the content", len(got))
				}
			})
		})
	}
}

func TestBlobWrong(t *testing.T) {
	content := noise(50_000)
	for name, fault := range map[string]fakeregistry.Fault{
		"flipped":          fakeregistry.FlipByte(33_333),
		"longer":           fakeregistry.Extra("more"),
		"much longer":      fakeregistry.Extra(strings.Repeat("more", 4<<20)),
		"empty":            fakeregistry.Answer(200, ""),
		"announced longer": fakeregistry.Answer(200, strings.Repeat("x", 50_001)),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("app", content)
				w.reg.On(blobs, fault)
				if got, err := w.fetchBlob(d); !errors.Is(err, ErrIntegrity) || got != nil {
					w.Errorf("%d bytes, %v", len(got), err)
				}
				if sent := w.reg.Sent("GET", "/blobs/"); sent > 4<<20 {
					w.Errorf("%d bytes were taken", sent)
				}
			})
		})
	}
}

// A server that breaks off again and again without getting on is given up.
func TestBlobGivenUp(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", noise(50_000))
		w.reg.On(blobs, fakeregistry.Cut(10))
		_, err := w.fetchBlob(d)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "gave up at byte") {
			w.Error(err)
		}
		if n := len(ranges(w.reg)); n > 10 {
			w.Errorf("%d requests", n)
		}
	})
}

// What has been tried often enough is not tried again and again one level up.
func TestBlobTriesDoNotMultiply(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{"reset": fakeregistry.CutBody(0),
		"stalled": fakeregistry.Delay(time.Hour), "unavailable": fakeregistry.Status(503)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				content := noise(1000)
				d := w.reg.PutBlob("app", content)
				if err := w.resolve("app"); err != nil {
					w.Fatal(err)
				}
				w.reg.On(fakeregistry.Match{Path: "/blobs/"}, fault)
				if _, err := w.fetchBlob(d); !errors.Is(err, ErrUnavailable) {
					w.Error(err)
				}
				// net/http itself repeats one on a used connection
				if n := len(w.reg.Requests("GET", "/blobs/")); n > maxReturnTries+1 {
					w.Errorf("%d times read", n)
				}
				next := noise(1001)
				if err := w.repo("app").Pusher().Push(w.Context(), describe(next), memory(next),
					PushOptions{}); !errors.Is(err, ErrUnavailable) {
					w.Error(err)
				}
				if n := len(w.reg.Requests("POST", "/blobs/")); n > maxReturnTries {
					w.Errorf("%d times begun to write", n)
				}
			})
		})
	}
}

// A registry that is restarted in the midst of a blob goes on with it.
func TestBlobSurvivesRestart(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(50_000)
		d := w.reg.PutBlob("app", content)
		w.reg.On(nth(1, 1), fakeregistry.Call(func(*http.Request) {
			w.listeners["registry.test:80"].Close()
			time.AfterFunc(40*time.Second, func() { w.serve("registry.test:80", w.reg) })
		}))
		w.reg.On(nth(1, 1), fakeregistry.Cut(20_000))
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Errorf("%d bytes, %v", len(got), err)
		}
		if diff := cmp.Diff([]string{"", "bytes=20000-49999"}, ranges(w.reg)); diff != "" {
			w.Error(diff)
		}
	})
}

func TestBlobAbsent(t *testing.T) {
	inBubble(t, func(w *world) {
		began := time.Now()
		if _, err := w.fetchBlob(describe([]byte("absent"))); !errors.Is(err, ErrNotFound) ||
			time.Since(began) != 0 {
			w.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestBlobEmpty(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", nil)
		if got, err := w.fetchBlob(d); err != nil || len(got) != 0 {
			w.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Digests and sizes from outside are looked at before they become part of an address.
func TestOpenRefusesBadDescriptors(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, d := range []v1.Descriptor{
			{Digest: "", Size: 1}, {Digest: "sha256:../../../etc",
				Size: 1}, {Digest: "md5:d41d8cd98f00b204e9800998ecf8427e", Size: 1}, {Digest: someDigest, Size: -1},
			{Digest: someDigest, Size: 1 << 60},
		} {
			if rc, err := w.repo("app").Open(w.Context(), d, 0, image.ToEnd); err == nil {
				rc.Close()
				w.Errorf("%v was opened", d)
			}
		}
		if n := len(w.reg.Requests("", "")); n != 0 {
			w.Errorf("%d requests", n)
		}
	})
}

// A token that is revoked in mid transfer is renewed, and the blob goes on.
func TestBlobSurvivesRevokedToken(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(50_000)
		d := w.reg.PutBlob("app", content)
		tokens := w.tokenServer(&fakeregistry.Tokens{Life: time.Hour})
		authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
		w.reg.On(fakeregistry.Match{Func: authorized, Count: 1}, fakeregistry.Cut(20_000))
		w.reg.On(fakeregistry.Match{Func: authorized, First: 2, Count: 1},
			fakeregistry.Call(func(*http.Request) { tokens.Revoke() }))
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Errorf("%d bytes, %v", len(got), err)
		}
		rest := "bytes=20000-49999"
		if diff := cmp.Diff([]string{"", "", rest, rest}, ranges(w.reg)); diff != "" {
			w.Error(diff)
		}
		if n := len(tokens.Requests("", "")); n != 2 {
			w.Errorf("%d tokens, want 2", n)
		}
	})
}

// Addresses of storage expire: what breaks off there begins again at the registry.
func TestBlobResumesThroughRegistry(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(50_000)
		d := w.reg.PutBlob("app", content)
		old, fresh := w.other("old.test:80"), w.other("fresh.test:80")
		old.PutBlob("app", content)
		fresh.PutBlob("app", content)
		old.On(nth(1, 1), fakeregistry.Cut(20_000))
		old.On(nth(2, 9), fakeregistry.Status(403))
		w.reg.On(nth(1, 1), fakeregistry.Redirect(307, "http://old.test/?signature=1"))
		w.reg.On(nth(2, 9), fakeregistry.Redirect(307, "http://fresh.test/?signature=2"))
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Errorf("%d bytes, %v", len(got), err)
		}
		if diff := cmp.Diff([]string{"bytes=20000-49999"}, ranges(fresh)); diff != "" {
			w.Error(diff)
		}
	})
}

func TestExists(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", []byte("content"))
		longer := d
		longer.Size++
		for name, tc := range map[string]struct {
			d    v1.Descriptor
			want bool
		}{"there": {d, true}, "absent": {describe([]byte("absent")), false}, "of another size": {longer, false}} {
			if got, err := w.repo("app").Exists(w.Context(), tc.d); got != tc.want || err != nil {
				w.Errorf("%s: %v, %v", name, got, err)
			}
		}
		w.reg.On(fakeregistry.Match{}, fakeregistry.Status(403))
		if got, err := w.repo("app").Exists(w.Context(), d); got || err != nil {
			w.Errorf("refused: %v, %v", got, err)
		}
	})
}

func ExampleParseReference() {
	ref, err := ParseReference("alpine:3.20")
	fmt.Println(ref, err)
	// Output: docker.io/library/alpine:3.20 <nil>
}
