package main

import (
	"net/http"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"drayage/registry"
)

// rateLimit reads --limit-rate; nil means no limit.
func rateLimit(c *cli.Context) (*registry.Limit, error) {
	text := c.String("limit-rate")
	if text == "" {
		return nil, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return nil, usagef("--limit-rate %q is no number of bytes per second, such as 500k or 2M", text)
	}
	return registry.NewLimit(n), nil
}

// limited makes the connections of t take part in the limit.
func limited(t *http.Transport, limit *registry.Limit) *http.Transport {
	t.DialContext = limit.Dial(t.DialContext)
	return t
}
