package dockerauth

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// identityUser is the user name of a secret that is an identity token.
const identityUser = "<token>"

// helper is a program that keeps credentials
// (https://github.com/docker/docker-credential-helpers#development).
type helper struct {
	name    string // what follows docker-credential-
	file    string // that names it
	timeout time.Duration
}

func (h helper) binary() string { return "docker-credential-" + h.name }

// keys are the names under which a helper may have the credentials of a registry. podman has its own name for
// Docker Hub.
func (h helper) keys(registry string) []string {
	if key := serverKey(registry); key != registry {
		return []string{key, hub}
	}
	return []string{registry}
}

// get returns the credentials that the helper has for a registry, or the zero Credential.
func (h helper) get(ctx context.Context, registry string) (Credential, error) {
	for _, key := range h.keys(registry) {
		c, err := h.getKey(ctx, key)
		if err != nil || c != (Credential{}) {
			return c, err
		}
	}
	return Credential{}, nil
}

func (h helper) getKey(ctx context.Context, key string) (Credential, error) {
	var found *credentials.Credentials
	err := h.run(ctx, "", func(program client.ProgramFunc) (err error) {
		found, err = client.Get(program, key)
		return err
	})
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return Credential{}, nil
	case err != nil:
		return Credential{}, err
	case found.Username == identityUser:
		return Credential{IdentityToken: found.Secret}, nil
	}
	return Credential{Username: found.Username, Password: found.Secret}, nil
}

// store makes the helper keep c.
func (h helper) store(ctx context.Context, key string, c Credential) error {
	kept := &credentials.Credentials{ServerURL: key, Username: c.Username, Secret: c.Password}
	if c.IdentityToken != "" {
		kept.Username, kept.Secret = identityUser, c.IdentityToken
	}
	return h.run(ctx, kept.Secret, func(program client.ProgramFunc) error { return client.Store(program, kept) })
}

// erase makes the helper forget the credentials of a registry, and reports whether there were any. It asks
// first, because many helpers fail if there is nothing to erase.
func (h helper) erase(ctx context.Context, registry string) (bool, error) {
	erased := false
	for _, key := range h.keys(registry) {
		c, err := h.getKey(ctx, key)
		if err != nil {
			return erased, err
		}
		if c == (Credential{}) {
			continue
		}
		erase := func(p client.ProgramFunc) error { return client.Erase(p, key) }
		err = h.run(ctx, c.Password+c.IdentityToken, erase)
		if err != nil {
			return erased, err
		}
		erased = true
	}
	return erased, nil
}

// run lets the helper do one thing. Its error holds no secret.
func (h helper) run(ctx context.Context, secret string, do func(client.ProgramFunc) error) error {
	if h.name != strings.TrimSpace(h.name) || strings.ContainsAny(h.name, `/\`) {
		return h.error("that is not the name of a program")
	}
	limited, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	p := &program{ctx: limited, binary: h.binary()}
	err := do(p.start)
	switch {
	case err == nil, credentials.IsErrCredentialsNotFound(err):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return h.error(fmt.Sprintf("no answer within %s", h.timeout))
	case p.err == nil:
		return h.error("its answer is not what the protocol says")
	case errors.Is(p.err, exec.ErrNotFound):
		return h.error("there is no such program in PATH")
	}
	problem := "failed: " + p.err.Error()
	if said := p.said(secret); said != "" {
		problem += fmt.Sprintf(": %q", said)
	}
	return h.error(problem)
}

func (h helper) error(problem string) error {
	return &Error{fmt.Sprintf("credential helper %q (configured in %s)", h.binary(), h.file), problem}
}

// helperTrust is how long the answer of a helper is used. Some helpers give out passwords that are good for
// an hour. A long transfer takes longer.
const helperTrust = 5 * time.Minute

// helperCache asks each helper once for each registry: some take seconds, some ask their user. The zero value
// is empty.
type helperCache struct {
	mu      sync.Mutex
	answers map[question]*helperAnswer
	now     func() time.Time // nil means time.Now
}

type question struct{ helper, file, registry string }

type helperAnswer struct {
	busy  chan struct{} // holds one value while somebody asks
	asked time.Time
	cred  Credential
	err   error
}

func (hc *helperCache) get(ctx context.Context, h helper, registry string) (Credential, error) {
	a := hc.answer(question{h.name, h.file, normalize(registry)})
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
	if now := hc.time(); a.asked.IsZero() || now.Sub(a.asked) > helperTrust {
		cred, err := h.get(ctx, registry)
		if ctx.Err() != nil {
			return cred, err
		}
		a.cred, a.err, a.asked = cred, err, now
	}
	return a.cred, a.err
}

func (hc *helperCache) answer(q question) *helperAnswer {
	hc.mu.Lock()
	defer hc.mu.Unlock()
	if hc.answers == nil {
		hc.answers = map[question]*helperAnswer{}
	}
	if hc.answers[q] == nil {
		hc.answers[q] = &helperAnswer{busy: make(chan struct{}, 1)}
	}
	return hc.answers[q]
}

func (hc *helperCache) time() time.Time {
	if hc.now != nil {
		return hc.now()
	}
	return time.Now()
}
