package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"drayage/internal/fakeregistry"
)

// An upload that breaks goes on from what the registry has kept.
func TestUploadResumes(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		body := fakeregistry.Match{Path: "/uploads/upload-",
			Func: func(req *http.Request) bool { return req.ContentLength != 0 && req.Method != "POST" }, Count: 2}
		w.reg.On(body, fakeregistry.CutKeeping(100_000))
		o := &opener{content: content}
		if err := push(o); err != nil {
			w.Error(err)
		}
		w.stored(content)
		got := sequence(w.reg)
		if got != "POST PUT GET PATCH GET PATCH PUT" && got != "POST PATCH GET PATCH GET PATCH PUT" {
			w.Errorf("requests %q", got)
		}
		if n := o.left.Load(); n != 0 {
			w.Errorf("%d readers were not closed", n)
		}
	})
}

// What the registry has kept, and says of it, is not trusted.
func TestUploadResumesFromNothingElse(t *testing.T) {
	first := fakeregistry.Match{Path: "/uploads/upload-1",
		Func: func(req *http.Request) bool { return req.ContentLength != 0 && req.Method != "POST" }, Count: 1}
	status := fakeregistry.Match{Method: "GET", Path: "/uploads/"}
	for name, fault := range map[string]struct{ first, status fakeregistry.Fault }{
		"other bytes": {first: func(next http.Handler) http.Handler {
			return fakeregistry.CutKeeping(100_000)(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				req.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte("x")), req.Body))
				next.ServeHTTP(w, req)
			}))
		}},
		"more than there is": {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range", "0-999999")},
		"one byte or none":   {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range", "0-0")},
		"nonsense": {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range",
			"bytes=0-5000")},
		"an overflow": {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range",
			"0-9223372036854775807")},
		"less than it has": {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range", "0-5000")},
		"refused":          {fakeregistry.CutKeeping(100_000), fakeregistry.Status(416)},
		"gone":             {fakeregistry.CutKeeping(100_000), fakeregistry.Status(404)},
		"another place": {fakeregistry.CutKeeping(100_000), fakeregistry.Answer(204, "", "Range", "0-5000",
			"Location", "http://elsewhere.test/")},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				w.reg.On(first, fault.first)
				if fault.status != nil {
					w.reg.On(status, fault.status)
				}
				o := &opener{content: content}
				if err := push(o); err != nil {
					w.Error(err)
				}
				w.stored(content)
			})
		})
	}
}

// A source that cannot be read again says so, and why it had to be.
func TestUploadThatCannotBeginAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		gone := errors.New("it has passed by")
		w.reg.On(once(patches), fakeregistry.CutBody(100_000))
		opened := false
		_, err := w.repo("app").Pusher().PushStream(w.Context(), "some/type", func() (io.ReadCloser, error) {
			if opened {
				return nil, gone
			}
			opened = true
			return io.NopCloser(bytes.NewReader(noise(300_000))), nil
		}, PushOptions{})
		if !errors.Is(err, gone) || !errors.Is(err, ErrUnavailable) {
			w.Errorf("%v, which is to be both: %v, and the network", err, gone)
		}
	})
}
