// Package browse shows people what is served: pages in plain HTML, without scripts and without anything from
// elsewhere. [New] returns the handler. Who asks for no HTML gets the names of the images as text.
package browse

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"drayage/internal/pullers"
	"drayage/serve"
)

// Options are what the pages tell besides the images. Hold and Host are needed.
type Options struct {
	Hold func() (c *serve.Catalog, release func()) // [serve.Registry.Hold]

	Host        string        // of the registry, if a client says none that makes sense
	How         pullers.How   // it is reached
	Login       bool          // it asks for a password
	Fingerprint func() string // of a certificate that is at /ca.crt; nil: there is none
	Version     string        // of the program
}

// Bounds on what one page takes.
const (
	pageTime   = 30 * time.Second
	pages      = 4 // that read manifests at once
	maxQuery   = 200
	maxPerPage = 100 // repositories, or 500 tags of one
)

//go:embed assets
var assets embed.FS

// browser answers.
type browser struct {
	Options
	turns chan struct{}
}

// New returns the handler of the pages. It takes every path.
func New(o Options) http.Handler { return &browser{Options: o, turns: make(chan struct{}, pages)} }

// ServeHTTP implements http.Handler.
func (b *browser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Vary", "Accept")
	name, isImage := strings.CutPrefix(r.URL.Path, "/image/")
	switch {
	case r.URL.Path == "/":
		b.index(w, r)
	case isImage:
		b.image(w, r, name)
	case r.URL.Path == "/style.css":
		serveAsset(w, "style.css", "text/css; charset=utf-8")
	case r.URL.Path == "/icon.svg", r.URL.Path == "/favicon.ico":
		serveAsset(w, "icon.svg", "image/svg+xml")
	default:
		b.missing(w, r, "There is no such page.")
	}
}

func serveAsset(w http.ResponseWriter, name, contentType string) {
	raw, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it was embedded
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(raw) // who asked has gone away
}

// wantsHTML reports whether a client can show pages: browsers say so, curl does not.
func wantsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// page is what all pages have.
type page struct {
	Title, Host, Version string
	How                  string // in words
	Plain, SelfSigned    bool
	Login                bool
	Fingerprint          string
	Engines              []pullers.Engine
	Query                string
}

func (b *browser) page(r *http.Request, title string) page {
	p := page{Title: title, Host: b.Host, Version: b.Version, Login: b.Login, Plain: b.How == pullers.Plain,
		SelfSigned: b.How == pullers.SelfSigned, Query: clip(r.URL.Query().Get("q"), maxQuery)}
	if pullers.ValidHost(r.Host) {
		p.Host = r.Host
	}
	if b.Fingerprint != nil {
		p.Fingerprint = b.Fingerprint()
	}
	p.Engines = pullers.For(p.Host, b.How)
	return p
}

var templates = template.Must(template.New("").Funcs(functions).ParseFS(assets, "assets/*.html"))

// show writes a page. It is made as a whole first, so that nothing half is sent.
func show(w http.ResponseWriter, status int, name string, data any) {
	var buf bytes.Buffer
	if err := templates.ExecuteTemplate(&buf, name, data); err != nil {
		panic(err) // the templates fit what they are given
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w) // who asked has gone away
}

// message is a page with a sentence.
type message struct {
	page
	Text string
}

func (b *browser) missing(w http.ResponseWriter, r *http.Request, text string) {
	b.say(w, r, http.StatusNotFound, text)
}

func (b *browser) say(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !wantsHTML(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
		return
	}
	show(w, status, "message.html", message{b.page(r, http.StatusText(status)), text})
}

// turn waits until a page may read manifests. It returns false if the client has gone away, or waited too
// long.
func (b *browser) turn(ctx context.Context) bool {
	select {
	case b.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// clip bounds a text, in characters.
func clip(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
