package main

import (
	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"drayage/registry"
)

// limitRateFlag is hidden where next to nothing is transferred, but scripts may give it.
func limitRateFlag(hidden bool) cli.Flag {
	return &cli.StringFlag{Name: "limit-rate", Category: groupFast, Hidden: hidden,
		Usage: "use no more than `BYTES` per second of the network, such as 500k or 2M"}
}

// rateLimit reads --limit-rate. nil means no limit.
func rateLimit(c *cli.Context) (*registry.Limit, error) {
	n, err := bytesPerSecond(c)
	if n == 0 || err != nil {
		return nil, err
	}
	return registry.NewLimit(n), nil
}

// bytesPerSecond is the number of --limit-rate, or 0.
func bytesPerSecond(c *cli.Context) (int64, error) {
	text := c.String("limit-rate")
	if text == "" {
		return 0, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return 0, usagef("--limit-rate %q is no number of bytes per second, such as 500k or 2M", text)
	}
	return n, nil
}
