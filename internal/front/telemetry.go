package front

import (
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"drayage/internal/metrics"
)

// telemetry is what is counted.
type telemetry struct {
	set      metrics.Set
	requests *metrics.Counter
	bytes    *metrics.Counter
	seconds  *metrics.Histogram
	faults   *metrics.Counter
	cut      *metrics.Counter
	refused  *metrics.Counter
	lost     *metrics.Counter
	reloads  *metrics.Counter

	inFlight, connections atomic.Int64
	reloaded, loaded      atomic.Int64 // when, in seconds: the last attempt, and the last that went well
	count                 atomic.Pointer[func() (repositories, tags int)]
}

// durations are the bounds of the histogram, in seconds: manifests take milliseconds, layers minutes.
var durations = []float64{.001, .005, .025, .1, .5, 2.5, 10, 60, 300, 1800}

func (t *telemetry) init(f *Front) {
	s := &t.set
	t.requests = s.Counter("drayage_http_requests_total", "Requests that have ended.", "what", "status")
	t.bytes = s.Counter("drayage_http_response_bytes_total", "Bytes of bodies that were sent.", "what")
	t.seconds = s.Histogram("drayage_http_request_duration_seconds", "How long requests took.", durations,
		"what")
	s.Gauge("drayage_http_requests_in_flight", "Requests that are being answered.",
		func() []metrics.Sample { return metrics.Value(float64(t.inFlight.Load())) })
	s.Gauge("drayage_http_connections", "Connections that are open.",
		func() []metrics.Sample { return metrics.Value(float64(t.connections.Load())) })
	t.cut = s.Counter("drayage_http_responses_cut_total",
		"Answers that broke off, because of damaged bytes (fault) or because the client went away (client).", "by")
	t.faults = s.Counter("drayage_verification_faults_total",
		"Answers in which bytes were wrong or could not be read.")
	t.refused = s.Counter("drayage_http_logins_refused_total", "Requests with a wrong user or password.")
	t.lost = s.Counter("drayage_tls_handshake_errors_total", "TLS handshakes that failed.")
	t.faults.Add(0)
	s.Gauge("drayage_repositories", "Repositories that are served.", t.counted(0))
	s.Gauge("drayage_tags", "Tags that are served.", t.counted(1))
	t.reloads = s.Counter("drayage_reloads_total", "Times that the sources were read again.", "result")
	s.Gauge("drayage_last_reload_timestamp_seconds", "When the sources were last read, well or not.",
		func() []metrics.Sample { return metrics.Value(float64(t.reloaded.Load())) })
	s.Gauge("drayage_last_reload_success_timestamp_seconds", "When what is served now was read.",
		func() []metrics.Sample { return metrics.Value(float64(t.loaded.Load())) })
	s.Gauge("drayage_tls_certificate_expiry_timestamp_seconds", "When the certificate ends.", f.expiry)
	s.Gauge("drayage_build_info", "The version of drayage.", func() []metrics.Sample {
		return []metrics.Sample{{Labels: []string{f.opts.Version, runtime.Version()}, Value: 1}}
	}, "version", "goversion")
	now := time.Now()
	s.Process(now)
	t.reloaded.Store(now.Unix())
	t.loaded.Store(now.Unix())
}

// counted asks the site how much there is.
func (t *telemetry) counted(which int) func() []metrics.Sample {
	return func() []metrics.Sample {
		count := t.count.Load()
		if count == nil || *count == nil {
			return nil
		}
		repositories, tags := (*count)()
		return metrics.Value(float64([]int{repositories, tags}[which]))
	}
}

func (f *Front) expiry() []metrics.Sample {
	c := f.certificate.Load()
	if c == nil || c.Leaf == nil {
		return nil
	}
	return metrics.Value(float64(c.Leaf.NotAfter.Unix()))
}

// Reloaded counts that the sources were read again, with what came of it.
func (f *Front) Reloaded(err error) {
	now, result := time.Now().Unix(), "ok"
	f.reloaded.Store(now)
	if err != nil {
		result = "failed"
	} else {
		f.loaded.Store(now)
	}
	f.reloads.Add(1, result)
}

// connection counts connections. It is a http.Server's ConnState.
func (t *telemetry) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		t.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		t.connections.Add(-1)
	}
}

// ended counts a request.
func (t *telemetry) ended(l *line, fault bool) {
	t.requests.Add(1, l.What, strconv.Itoa(l.Status))
	t.bytes.Add(float64(l.Bytes), l.What)
	t.seconds.Observe(l.Seconds, l.What)
	if fault {
		t.faults.Add(1)
	}
	if l.Cut && fault {
		t.cut.Add(1, "fault")
	} else if l.Cut {
		t.cut.Add(1, "client")
	}
}

// metricsHandler answers at the address for metrics.
func (f *Front) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		_ = f.set.WriteText(w) // who asked has gone away
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { healthy(w) })
	return mux
}
