package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/internal/browse"
	"drayage/internal/front"
	"drayage/internal/pullers"
	"drayage/internal/selfsigned"
	"drayage/internal/tell"
	"drayage/serve"
)

// frontFlags say where a registry is served, to whom, and what is told of it.
func frontFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "addr", Category: groupWhere, Value: "127.0.0.1:5000",
			Usage: "listen on `HOST:PORT`; :5000 is all addresses of this machine, port 0 a free one"},
		&cli.StringFlag{Name: "tls-cert", Category: groupAccess,
			Usage: "speak TLS with the certificate in `FILE`, PEM, with those between it and its CA"},
		&cli.StringFlag{Name: "tls-key", Category: groupAccess, Usage: "the key of --tls-cert is in `FILE`, PEM"},
		&cli.BoolFlag{Name: "tls-self-signed", Category: groupAccess,
			Usage: "speak TLS with a certificate that is made here and kept in --tls-dir; engines need it"},
		&cli.StringSliceFlag{Name: "tls-name", Category: groupAccess,
			Usage: "with --tls-self-signed: clients also call this machine `NAME`, a DNS name or an address"},
		&cli.StringFlag{Name: "tls-dir", Category: groupAccess, DefaultText: "in the user's state directory",
			Usage: "with --tls-self-signed: keep certificate and key in `DIR`"},
		&cli.BoolFlag{Name: "plain-http", Category: groupAccess,
			Usage: "serve without TLS to other machines too; on this machine it needs no flag"},
		&cli.StringFlag{Name: "htpasswd", Category: groupAccess,
			Usage: "ask for a user and a password of `FILE`, which htpasswd -B makes"},
		&cli.StringFlag{Name: "access-log", Category: groupOutput,
			Usage: "write a line of JSON for each request to `FILE`, or - for standard output"},
		&cli.StringFlag{Name: "metrics", Category: groupOutput,
			Usage: "tell metrics for Prometheus at http://`HOST:PORT`/metrics"},
		&cli.DurationFlag{Name: "grace", Category: groupOutput, Value: 10 * time.Second,
			Usage: "let running requests go on for `TIME`, such as 10s, after the signal to stop"},
	}
}

// listen takes the address of a registry that is going to be served.
func (c call) listen(ctx context.Context) (*front.Front, error) {
	o := front.Options{
		Addr: c.String("addr"), PlainHTTP: c.Bool("plain-http"), Grace: c.Duration("grace"),
		Htpasswd: c.String("htpasswd"), AccessLog: c.String("access-log"), Stdout: c.rawOut,
		Metrics: c.String("metrics"), Version: versionString(),
		TLS: front.TLS{Cert: c.String("tls-cert"), Key: c.String("tls-key"), SelfSigned: c.Bool("tls-self-signed"),
			Dir: cmp.Or(c.String("tls-dir"), selfsigned.Dir(os.Getenv)), Names: c.StringSlice("tls-name")},
		Note: func(text string) { c.note("%s", text) },
		Warn: func(text string) {
			c.tell.Say(tell.Line{Level: tell.Warning, Event: "served", Message: "warning: " + text})
		},
	}
	if err := c.checkTLS(&o); err != nil {
		return nil, err
	}
	c.signals.Wait(o.Grace)
	f, err := front.Listen(ctx, o)
	switch {
	case errors.Is(err, front.ErrExposed):
		return nil, usagef("--addr %s: other machines reach it: give --tls-cert and --tls-key, or "+
			"--tls-self-signed, or --plain-http if everybody may read along", o.Addr)
	case errors.Is(err, front.ErrInUse):
		return nil, fmt.Errorf("%w (choose another port, or 0 for a free one)", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w (ports below 1024 are for root on most machines)", err)
	case errors.Is(err, front.ErrAddress):
		return nil, usagef("%v", err)
	}
	return f, err
}

// checkTLS refuses flags that do not go together.
func (c call) checkTLS(o *front.Options) error {
	t := &o.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return usagef("--tls-cert and --tls-key go together")
	case t.Cert != "" && t.SelfSigned:
		return usagef("--tls-self-signed, but --tls-cert gives a certificate already")
	case o.PlainHTTP && c.given("plain-http") && (t.Cert != "" || t.SelfSigned):
		return usagef("--plain-http, but the other flags ask for TLS")
	case !t.SelfSigned && (c.given("tls-name") || c.given("tls-dir")):
		return usagef("--tls-name and --tls-dir are for --tls-self-signed")
	case t.SelfSigned && t.Dir == "":
		return usagef("--tls-self-signed needs --tls-dir DIR: this user has no home directory")
	case o.Grace < 0:
		return usagef("--grace %s: time does not run backwards", o.Grace)
	}
	for _, name := range t.Names {
		if !selfsigned.Valid(name) {
			return usagef("--tls-name %q is no DNS name and no IP address", name)
		}
	}
	return nil
}

// rereadFront reads certificate and users again, and opens the access log anew.
func (c call) rereadFront(f *front.Front) {
	if err := f.Reload(); err != nil {
		c.tell.Say(tell.Line{Level: tell.Error, Event: "failed", Message: "not read again: " + c.describe(err)})
	}
	if cert := f.SelfSigned(); cert != nil && cert.Made {
		c.sayFront(f)
	}
}

// pages are what people see of what is served.
func pages(f *front.Front, r *serve.Registry) http.Handler {
	o := browse.Options{Hold: r.Hold, Host: f.Host(), How: f.How(), Login: f.WantsLogin(),
		Version: versionString()}
	if f.SelfSigned() != nil {
		o.Fingerprint = func() string { return f.SelfSigned().Fingerprint() }
	}
	return browse.New(o)
}

// sayFront tells what those who want to pull need, and where else there is something to see.
func (c call) sayFront(f *front.Front) {
	if url := f.MetricsURL(); url != "" {
		c.note("metrics: %s", url)
	}
	defer c.sayLogin(f)
	cert := f.SelfSigned()
	if cert == nil {
		c.sayPlain(f)
		return
	}
	if cert.Why != "" {
		c.note("warning: a new certificate was made, because %s: engines need the new one", cert.Why)
	}
	c.note("certificate: %s, valid until %s", cert.Path, cert.Until.UTC().Format(time.DateOnly))
	c.note("SHA-256 fingerprint: %s", cert.Fingerprint())
	c.note("engines need that file, which is also at https://%s/ca.crt, as:", f.Host())
	for _, e := range pullers.For(f.Host(), pullers.SelfSigned) {
		for _, line := range e.Told() {
			c.note("  %s", line)
		}
	}
}

// sayPlain tells what docker needs for http on another machine. Other commands have a flag for that.
func (c call) sayPlain(f *front.Front) {
	docker := pullers.For(f.Host(), f.How())[0]
	if docker.Content == "" {
		return
	}
	c.note("other machines reach it without TLS, which docker takes if %s has", docker.Path)
	c.note("  %s", strings.TrimSpace(docker.Content))
	c.note("%s for docker; files for podman, containerd and k3s: %s in a browser", docker.Then, f.URL())
}

// sayLogin tells what comes before a pull if the registry asks for a password.
func (c call) sayLogin(f *front.Front) {
	if !f.WantsLogin() {
		return
	}
	c.note("log in first, as each engine does it:")
	for _, e := range pullers.For(f.Host(), f.How()) {
		if e.Login != "" {
			c.note("  %s", e.Login)
		}
	}
}
