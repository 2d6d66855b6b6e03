package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"drayage/serve"
)

// record is a request with what becomes of it.
type record struct {
	request *http.Request
	start   time.Time
	user    string // who has logged in
	what    string // unless event says it
	event   *serve.Event
	err     error
}

type recordKey struct{}

func newRecord(r *http.Request) *record {
	rec := &record{start: time.Now(), what: string(serve.WhatOther)}
	rec.request = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
	return rec
}

// Observe takes what the registry says of a request. It is for [serve.Options].
func (f *Front) Observe(e serve.Event) {
	if isFault(e.Err) {
		f.sayFault(&e)
	}
	if e.Request == nil {
		return
	}
	if rec, ok := e.Request.Context().Value(recordKey{}).(*record); ok {
		rec.event, rec.what, rec.err = &e, string(e.What), e.Err
	}
}

// isFault reports whether an answer failed by what is served, and not by who asked.
func isFault(err error) bool {
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.Is(err, errClient)
}

// end closes the books of a request, however it has ended.
func (f *Front) end(w *writer, rec *record) {
	defer f.inFlight.Add(-1)
	thrown := recover()
	cut := thrown != nil
	if cut && thrown != http.ErrAbortHandler { // the sentinel itself is thrown
		rec.err = fmt.Errorf("a fault of drayage: %v at %s", thrown, where())
		if f.said.first(rec.err.Error()) {
			f.warn("%s %s: %v", rec.request.Method, foreign(rec.request.URL.Path), rec.err)
		}
		if w.status == 0 {
			cut = false
			plain(w, http.StatusInternalServerError, "a fault of drayage")
		}
	}
	l := f.line(w, rec)
	l.Cut = cut
	f.ended(&l, rec.event != nil && isFault(rec.event.Err))
	if err := f.log.write(l); err != nil {
		f.warn("the access log: %v", err)
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
}

func (f *Front) line(w *writer, rec *record) line {
	r := rec.request
	l := line{Time: rec.start.UTC().Truncate(time.Millisecond), Remote: r.RemoteAddr, User: rec.user,
		Method: r.Method, Path: r.RequestURI, Protocol: r.Proto, Status: cmp.Or(w.status, http.StatusOK),
		Bytes: w.bytes, Seconds: time.Since(rec.start).Seconds(), What: rec.what,
		Digest: w.Header().Get("Docker-Content-Digest"), Agent: r.UserAgent()}
	if rec.event != nil {
		l.Repository, l.Digest = rec.event.Repository, cmp.Or(l.Digest, digestOf(rec.event.Reference))
	}
	if rec.err != nil {
		l.Error = rec.err.Error()
	}
	if errors.Is(rec.err, context.Canceled) {
		l.Error = "the client went away"
	}
	return l
}

// digestOf returns a reference if it is a digest.
func digestOf(reference string) string {
	if strings.Contains(reference, ":") {
		return reference
	}
	return ""
}

// where is the place in the program that has panicked.
func where() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
