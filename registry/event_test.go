package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// of are the events of one type.
func of[E Event](w *world) (all []E) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e, ok := e.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

// Each retry is told before its wait, with its number, its host and its cause.
func TestRetriesAreTold(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  fakeregistry.Fault
		reason string
	}{
		"status":  {fakeregistry.Status(503), "503 Service Unavailable from registry.test"},
		"network": {fakeregistry.CutBody(0), "unexpected EOF (registry.test)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Count: 3}, tc.fault)
				began := time.Now()
				if err := w.resolve("app"); err != nil {
					w.Fatal(err)
				}
				var waits time.Duration
				told := of[*Retry](w)
				for i, r := range told {
					waits += r.Wait
					if r.Number != i+1 || r.Most != maxTries-1 || r.Host != "registry.test" || r.Cause == nil {
						w.Errorf("retry %d is %+v", i+1, r)
					}
					want := fmt.Sprintf("retry %d of 5 in %s: %s", i+1, shortly(r.Wait), tc.reason)
					if name == "status" && r.String() != want {
						w.Errorf("%q, not %q", r, want)
					}
				}
				if len(told) != 3 || time.Since(began) != waits {
					w.Errorf("%d told, waits of %s in %s", len(told), waits, time.Since(began))
				}
			})
		})
	}
}

// What is not tried again is no retry: the last failure, a refusal, a place with another behind it.
func TestFailuresAreNoRetries(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Status(503))
		if err := w.resolve("app"); err == nil {
			w.Error("no error")
		}
		if n := len(of[*Retry](w)); n != maxTries-1 {
			w.Errorf("%d retries are told of %d tries", n, maxTries)
		}
	})
	inBubble(t, func(w *world) {
		if err := w.resolve("absent"); !errors.Is(err, ErrNotFound) || len(of[*Retry](w)) > 0 {
			w.Error(err, of[*Retry](w))
		}
	})
}

// A stream that breaks behind its headers is retried like a request, and told like one, whoever reads it.
func TestBrokenStreamsAreTold(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(4 << 20)
		d := w.reg.PutBlob("app", content)
		w.reg.On(nth(1, 2), fakeregistry.Cut(1000))
		repo := w.repo("app")
		got, err := io.ReadAll(image.NewReader(w.Context(), &image.MemorySource{Next: repo}, d))
		if err != nil || !bytes.Equal(got, content) {
			w.Fatal(err)
		}
		told := of[*Retry](w)
		if len(told) != 2 {
			w.Fatalf("told %v", told)
		}
		for i, r := range told {
			if r.Number != i+1 || r.Most != 5 || r.Host != "registry.test" || r.Blob != d.Digest {
				w.Errorf("%+v", r)
			}
		}
	})
}

func TestBrokenUploadsAreTold(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1 << 20)
		d := image.Describe(v1.MediaTypeImageLayerGzip, content)
		w.reg.On(fakeregistry.Match{Method: "PUT", Count: 1}, fakeregistry.Abort(1000))
		src := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: content}}
		if err := w.repo("app").Pusher().Push(w.Context(), d, src, PushOptions{}); err != nil {
			w.Fatal(err)
		}
		if told := of[*Retry](w); len(told) == 0 || told[0].Number != 1 ||
			told[0].Most != maxTries-1 { // as of a request
			w.Errorf("told %v", told)
		}
	})
}

// Sixteen requests that are asked to wait make one pause.
func TestPauseIsToldOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		began := time.Now()
		busy := func(*http.Request) bool { return time.Since(began) < 30*time.Second }
		w.reg.On(fakeregistry.Match{Func: busy}, fakeregistry.Status(429, "Retry-After", "30"))
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if err := w.resolve("app"); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		pauses := of[*Pause](w)
		if len(pauses) != 1 || pauses[0].String() != "registry.test asks to wait 30 s (429 Too Many Requests)" {
			w.Errorf("pauses %v", pauses)
		}
		for _, r := range of[*Retry](w) {
			if !r.Asked {
				w.Errorf("%s is told beside the pause", r)
			}
		}
	})
}

// What an exchange says of a request is what the server has seen of it.
func TestExchanges(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(100_000)
		d := w.reg.PutBlob("app", content)
		w.reg.On(fakeregistry.Match{Count: 1, Method: "GET", Path: "/blobs/"}, fakeregistry.Status(500))
		w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/"}, fakeregistry.Delay(3*time.Second))
		if _, err := w.fetchBlob(d); err != nil {
			w.Fatal(err)
		}
		other := noise(1000)
		od := image.Describe(v1.MediaTypeImageLayerGzip, other)
		src := &image.MemorySource{Content: map[digest.Digest][]byte{od.Digest: other}}
		if err := w.repo("app").Pusher().Push(w.Context(), od, src, PushOptions{}); err != nil {
			w.Fatal(err)
		}
		told := of[*Exchange](w)
		if len(told) != len(w.reg.Requests("", "")) {
			w.Errorf("%d told of %d", len(told), len(w.reg.Requests("", "")))
		}
		first, second, last := told[0], told[1], told[len(told)-1]
		at := "http://registry.test/v2/app/blobs/" + d.Digest.String()
		if first.Status != 500 || first.Attempt != 1 || first.URL != at || first.Method != "GET" {
			w.Errorf("first %+v", first)
		}
		if second.Status != 200 || second.Attempt != 2 || second.Received != int64(len(content)) ||
			second.Headers != 3*time.Second || second.Took < second.Headers {
			w.Errorf("second %+v", second)
		}
		if last.Method != "PUT" || last.Status != 201 || last.Sent != int64(len(other)) ||
			!strings.HasSuffix(last.URL, "digest="+url.QueryEscape(od.Digest.String())) {
			w.Errorf("last %+v", last)
		}
	})
}

// A request that gets no answer, or half of one, is told with the reason.
func TestExchangesThatFail(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", noise(100_000))
		w.reg.On(fakeregistry.Match{Count: 1}, fakeregistry.Cut(10))
		w.client.StallTimeout = 5 * time.Second
		w.reg.On(fakeregistry.Match{First: 2, Count: 1}, fakeregistry.Hang())
		if _, err := w.fetchBlob(d); err != nil {
			w.Fatal(err)
		}
		told := of[*Exchange](w)
		if len(told) != 3 || told[0].Err == nil || told[0].Status != 200 || told[1].Status != 0 ||
			told[1].Err != errStalled || told[2].Err != nil {
			w.Errorf("told %v", told)
		}
	})
}

// No event holds what logs in: credentials, tokens, presigned addresses, the state of an upload, cookies.
func TestEventsHoldNoSecrets(t *testing.T) {
	inBubble(t, func(w *world) {
		secrets := []string{"s3cr3tpw", "t0kenvalue", "sign4ture", "c00kie", "st4te",
			strings.TrimPrefix(basic("me", "s3cr3tpw"), "Basic ")}
		image1 := w.reg.PutImage("app", "1", oneLayer)
		blob := w.reg.PutBlob("app", noise(1000))
		storage := w.other("storage.test:80")
		storage.PutBlob("app", noise(1000))
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "s3cr3tpw"}})
		w.login(Credential{Username: "me", Password: "s3cr3tpw"})
		query := "X-Amz-Signature=sign4ture&sign4ture&sig==sign4ture&Key-Id=sign4ture&scope=x"
		to := "http://storage.test?" + query
		w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/"}, fakeregistry.Redirect(307, to))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Set-Cookie", "a=c00kie"))
		storage.On(fakeregistry.Match{Count: 1}, fakeregistry.Status(503))
		if _, err := w.fetchBlob(blob); err != nil {
			w.Fatal(err)
		}
		if _, _, err := w.repo("app").Resolve(w.Context(), image1.Digest.String()); err != nil {
			w.Fatal(err)
		}
		if len(tokens.Requests("", "")) == 0 || len(of[*Retry](w)) != 1 {
			w.Errorf("no token, or no retry: %v", of[*Retry](w))
		}
		for _, e := range w.events {
			for _, s := range secrets {
				if text := fmt.Sprintf("%s %+v", e, e); strings.Contains(text, s) {
					w.Errorf("%q is told in %s", s, text)
				}
			}
		}
		if at := "http://storage.test/v2/app/blobs/" + blob.Digest.String() +
			"?X-Amz-Signature=***&***&***&Key-Id=***&scope=x"; !strings.Contains(fmt.Sprint(w.events), at) {
			w.Errorf("%s is not in %v", at, w.events)
		}
	})
}

// A pause after which nobody asks again is none: the error says what the registry has answered.
func TestLastPauseIsNotTold(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Status(429, "Retry-After", "30"))
		if err := w.resolve("app"); !errors.Is(err, ErrUnavailable) {
			w.Error(err)
		}
		if n := len(of[*Pause](w)); n != maxTries-1 {
			w.Errorf("%d pauses are told of %d tries", n, maxTries)
		}
	})
}
