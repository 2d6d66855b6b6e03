package roundtrip

import (
	"bytes"
	"net/http"
	"os"
	"sync"
	"testing"

	"drayage/test/registry3"
	"drayage/test/sample"
)

const exitInterrupted = 130

// holder lets half of the first layer out and then holds the connection until it is released.
type holder struct {
	once     sync.Once
	reached  chan struct{} // closed when half of a layer is out
	released chan struct{}
}

func newHolder() *holder {
	return &holder{reached: make(chan struct{}), released: make(chan struct{})}
}

const layerSized = 100 << 10 // configs are below, program layers above

func (h *holder) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if is(http.MethodGet, "/blobs/")(r) {
			w = &heldWriter{ResponseWriter: w, holder: h, done: r.Context().Done()}
		}
		next.ServeHTTP(w, r)
	})
}

type heldWriter struct {
	http.ResponseWriter
	holder *holder
	done   <-chan struct{}
	sent   int
}

func (w *heldWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if w.sent += n; w.sent > layerSized {
		http.NewResponseController(w.ResponseWriter).Flush()
		w.holder.once.Do(func() { close(w.holder.reached) })
		select {
		case <-w.holder.released:
		case <-w.done:
		}
	}
	return n, err
}

// An interrupted fetch says so by its exit code, names nothing half, and is finished by the next run.
func TestInterruptedFetchIsFinishedByTheNext(t *testing.T) {
	for name, end := range map[string]os.Signal{"interrupt": os.Interrupt, "kill": os.Kill} {
		t.Run(name, func(t *testing.T) {
			h := newHolder()
			s := startSite(t, registry3.Options{Wrap: h.wrap})
			source := s.Addr() + "/app:1"
			want := host(t, s.seed(t, "app", "1", sample.Options{}))
			c := newCLI(t)
			var stderr bytes.Buffer
			cmd := c.command(t, binary, "fetch", source, "-o", "images")
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-h.reached:
			case <-t.Context().Done():
			}
			if err := cmd.Process.Signal(end); err != nil {
				t.Error(err)
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); end == os.Interrupt && got != exitInterrupted {
				t.Errorf("exit %d, want %d: %s", got, exitInterrupted, &stderr)
			}
			if c.exists("images/index.json") {
				if named := readLayout(t, c.path("images")); len(named) != 0 {
					t.Errorf("half an image is in the layout: %v", named)
				}
			}
			close(h.released)
			c.must(t, "fetch", source, "-o", "images")
			checkInLayout(t, c.path("images"), source, want)
		})
	}
}
