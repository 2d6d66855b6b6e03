package dockerauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"drayage/internal/plaintext"
)

// identityUser stands in place of a user name where the secret is an identity token.
const identityUser = "<token>"

// helper is a program that keeps credentials
// (https://github.com/docker/docker-credential-helpers#development).
type helper struct {
	name    string // what follows docker-credential-
	file    string // the configuration that names the helper
	timeout time.Duration
}

func (h helper) binary() string { return "docker-credential-" + h.name }

// keys are the names under which a helper may have credentials for a registry. For Docker Hub podman uses
// another name than docker.
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

// erase makes the helper forget what it has for a registry, and reports whether it had something. erase asks
// for it first, because many helpers fail when there is nothing to erase.
func (h helper) erase(ctx context.Context, registry string) (bool, error) {
	erased := false
	for _, key := range h.keys(registry) {
		c, err := h.getKey(ctx, key)
		if err == nil && c != (Credential{}) {
			secret := c.Password + c.IdentityToken
			err = h.run(ctx, secret, func(p client.ProgramFunc) error { return client.Erase(p, key) })
			erased = erased || err == nil
		}
		if err != nil {
			return erased, err
		}
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

// helperTrust is how long the answer of a helper is used. Some helpers give passwords that end after an
// hour, and a transfer may take longer.
const helperTrust = 5 * time.Minute

// helperCache asks each helper once for each registry: some take seconds, some ask their user.
type helperCache struct {
	answers sync.Map // of *helperAnswer by question
	now     func() time.Time
}

type question struct{ helper, file, registry string }

type helperAnswer struct {
	busy  chan struct{} // holds one value while somebody asks
	asked time.Time
	cred  Credential
	err   error
}

func (hc *helperCache) get(ctx context.Context, h helper, registry string) (Credential, error) {
	q := question{h.name, h.file, normalize(registry)}
	found, _ := hc.answers.LoadOrStore(q, &helperAnswer{busy: make(chan struct{}, 1)})
	a := found.(*helperAnswer)
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
	if now := hc.now(); a.asked.IsZero() || now.Sub(a.asked) > helperTrust {
		cred, err := h.get(ctx, registry)
		if ctx.Err() != nil {
			return cred, err
		}
		a.cred, a.err, a.asked = cred, err, now
	}
	return a.cred, a.err
}

const (
	// maxAnswer bounds what a helper says; tokens used as passwords reach some kilobytes.
	maxAnswer = 256 << 10
	// maxSaid bounds how much of a helper's complaint an error repeats.
	maxSaid = 300
	// lingering is how long the output of a helper may stay open after its end, because of programs that it
	// has started.
	lingering = time.Second
)

// program is a client.Program that ends with a context and takes a bounded part of a helper's output. It
// keeps the helper's standard error, which may hold anything, from the user's terminal.
type program struct {
	ctx    context.Context // of the one call that the program is for
	binary string
	cmd    *exec.Cmd
	stdout answer
	stderr answer
	err    error // why the program failed, without its output
}

func (p *program) start(args ...string) client.Program {
	p.cmd = exec.CommandContext(p.ctx, p.binary, args...)
	p.cmd.WaitDelay = lingering
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *program) Input(in io.Reader) { p.cmd.Stdin = in }

func (p *program) Output() ([]byte, error) {
	p.err = p.cmd.Run()
	if errors.Is(p.err, exec.ErrWaitDelay) { // it did its work and left an agent behind
		p.err = nil
	}
	if p.err == nil && p.stdout.over {
		p.err = errors.New("it says too much")
	}
	return plaintext.UTF8(p.stdout.kept.Bytes()), p.err
}

// said is the complaint of a program that failed. The protocol wants it on standard output; some helpers use
// standard error. It is empty if the text may hold credentials.
func (p *program) said(secret string) string {
	text := cmp.Or(strings.TrimSpace(p.stdout.kept.String()), strings.TrimSpace(p.stderr.kept.String()))
	if strings.ContainsAny(text, "{}") || secret != "" && strings.Contains(text, secret) {
		return ""
	}
	if len(text) > maxSaid {
		return text[:maxSaid] + "..."
	}
	return text
}

// answer keeps the first maxAnswer bytes that are written to it.
type answer struct {
	kept bytes.Buffer // not embedded: its ReadFrom knows no bound
	over bool
}

func (a *answer) Write(p []byte) (int, error) {
	if room := maxAnswer - a.kept.Len(); len(p) > room {
		a.over = true
		a.kept.Write(p[:room])
		return len(p), nil
	}
	return a.kept.Write(p)
}
