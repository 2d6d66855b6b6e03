//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// origin is where tools get images from.
type origin struct {
	addr   string // host:port
	counts counter
	stop   func()
}

// opening makes an origin of what the storage of a registry holds.
type opening func(ctx context.Context, e *env, storage string) (*origin, error)

// readScenario has readers read what a data set holds.
func readScenario(set string, open opening, readers func(context.Context, *env, *dataset, string) []contender,
) preparation {
	return func(ctx context.Context, e *env) ([]contender, func(), error) {
		d, err := e.set(ctx, set)
		if err != nil {
			return nil, nil, err
		}
		o, err := open(ctx, e, d.storage())
		if err != nil {
			return nil, nil, err
		}
		all := readers(ctx, e, d, o.addr)
		for i := range all {
			all[i] = all[i].counted(o.counts)
		}
		return all, o.stop, nil
	}
}

// counted counts what the contender asks for.
func (c contender) counted(by counter) contender {
	work := c.task
	if work == nil {
		return c
	}
	c.task = func(ctx context.Context, r *round) (task, error) {
		t, err := work(ctx, r)
		t.registry = by
		return t, err
	}
	return c
}

// direct is the registry itself.
func direct(ctx context.Context, e *env, storage string) (*origin, error) {
	return beginsAfter("0s")(ctx, e, storage)
}

// beginsAfter is a registry that begins its answers to GETs of blobs late, as [slowly] says.
func beginsAfter(how string) opening {
	return func(ctx context.Context, e *env, storage string) (*origin, error) {
		s, err := e.serve(ctx, "registry", storage, how)
		if err != nil {
			return nil, err
		}
		return &origin{s.addr, s, func() { s.stop() }}, nil
	}
}

const (
	rate  = 20 * megabyte // bytes a second and request
	delay = "100ms"       // of each request
)

// paced holds each response to the rate from its first byte.
func paced(ctx context.Context, e *env, storage string) (*origin, error) {
	return behind(ctx, e, storage, strconv.Itoa(rate), "0s")
}

func farAway(ctx context.Context, e *env, storage string) (*origin, error) {
	return behind(ctx, e, storage, "0", delay)
}

// behind puts a proxy in front of the registry.
func behind(ctx context.Context, e *env, storage, rate, delay string) (*origin, error) {
	o, err := direct(ctx, e, storage)
	if err != nil {
		return nil, err
	}
	s, err := e.serve(ctx, "proxy", o.addr, rate, delay)
	if err != nil {
		o.stop()
		return nil, err
	}
	return &origin{s.addr, o.counts, func() { s.stop(); o.stop() }}, nil
}

// limited is nginx with a limit_rate in front of the registry. It counts in whole seconds, and gives each
// response what belongs to the second that has begun at once: the first 20 MB of each are free.
func limited(ctx context.Context, e *env, storage string) (*origin, error) {
	return e.nginx(ctx, strconv.Itoa(rate), storage, direct)
}

func unlimited(ctx context.Context, e *env, storage string) (*origin, error) {
	return e.nginx(ctx, "0", storage, direct)
}

// limitedOld is the same in front of distribution 2, with nginx's own notion of a megabyte.
func limitedOld(ctx context.Context, e *env, storage string) (*origin, error) {
	return e.nginx(ctx, "20m", storage, distribution2)
}

const distributionConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: %q}}
http: {addr: %q, secret: bench}
`

// distribution2 is the registry that Linux distributions have. It counts nothing.
func distribution2(ctx context.Context, e *env, storage string) (*origin, error) {
	path := e.tools.path("docker-registry")
	if path == "" {
		return nil, fmt.Errorf("distribution 2 is %w: apt-get install docker-registry", errAbsent)
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(e.dir, "distribution2.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, distributionConfig, storage, addr), 0o600); err != nil {
		return nil, err
	}
	stop, err := e.daemon(ctx, addr, path, "serve", config)
	if err != nil {
		return nil, errors.Join(errors.New("distribution 2"), err)
	}
	return &origin{addr: addr, stop: stop}, nil
}
