package registry

import (
	"testing"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// The registry's own ledger says what crossed the network.
func TestReceivedIsWhatTheRegistrySent(t *testing.T) {
	content := noise(100_000)
	for name, tc := range map[string]struct {
		faults func(*world)
		want   int64
	}{
		"as it should be": {func(*world) {}, 100_000},
		"then no ranges": {func(w *world) {
			w.reg.On(nth(1, 1), fakeregistry.Short(10_000))
			w.reg.On(nth(2, 1), fakeregistry.IgnoreRange())
		}, 110_000},
		"wrong bytes first": {func(w *world) { w.reg.On(nth(1, 1), fakeregistry.FlipByte(7)) }, 200_000},
		"busy first": {func(w *world) {
			w.reg.On(nth(1, 2), fakeregistry.Answer(503, "a page that is no blob"))
		}, 100_000},
		"compressed on the way": {func(w *world) { w.reg.On(nth(1, 1), fakeregistry.Gzip()) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("app", content)
				tc.faults(w)
				if _, err := w.fetchBlob(d); err != nil {
					w.Log(err) // what came came
				}
				sent := w.reg.Sent("GET", "/blobs/")
				if name == "busy first" {
					sent -= 2 * int64(len("a page that is no blob"))
				}
				if got := w.client.Received(); got != sent || tc.want > 0 && got > tc.want {
					w.Errorf("%d bytes, the registry sent %d", got, sent)
				}
				if n := w.client.Sent(); n != 0 {
					w.Errorf("%d bytes sent", n)
				}
			})
		})
	}
}

func TestSentIsWhatTheRegistryReceived(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		if err := push(&opener{content: content}); err != nil {
			w.Fatal(err)
		}
		received := w.reg.Received("", "/blobs/uploads/")
		if got := w.client.Sent(); got != received || got != int64(len(content)) {
			w.Errorf("%d bytes, the registry received %d of %d", got, received, len(content))
		}
	})
}

func TestBytesThatAreSentAgainCountAgain(t *testing.T) {
	content := noise(300_000)
	inBubble(t, func(w *world) {
		w.reg.On(once(puts), fakeregistry.CutBody(100_000))
		if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
			PushOptions{}); err != nil {
			w.Fatal(err)
		}
		received, all := w.reg.Received("", "/blobs/uploads/"), int64(len(content))
		if got := w.client.Sent(); got < received || got < all+100_000 || got > 2*all {
			w.Errorf("%d bytes, the registry received %d", got, received)
		}
	})
}

func TestWhatIsThereIsNotSent(t *testing.T) {
	content := noise(300_000)
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("base", content)
		for _, opts := range []PushOptions{{From: "base"}, {}} { // mounted, then there
			if err := w.repo("app").Pusher().Push(w.Context(), d, memory(content), opts); err != nil {
				w.Fatal(err)
			}
		}
		manifest := image.Describe(image.DockerManifest, []byte(`{"schemaVersion":2}`))
		_ = w.repo("app").Pusher().ReplaceManifest(w.Context(), "1", manifest.MediaType, []byte(`{"schemaVersion":2}`))
		if got := w.client.Sent(); got != 0 {
			w.Errorf("%d bytes", got)
		}
	})
}

func TestChunksCountAsTheyAreSent(t *testing.T) {
	content := noise(chunkSize + 1000)
	inBubble(t, func(w *world) {
		w.reg.On(once(puts), fakeregistry.Early(413))
		err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
		if err != nil {
			w.Fatal(err)
		}
		// Of the body that was refused some is on its way when the answer comes.
		if got, n := w.client.Sent(), int64(len(content)); got < n || got >= 2*n {
			w.Errorf("%d bytes for %d", got, n)
		}
	})
}
