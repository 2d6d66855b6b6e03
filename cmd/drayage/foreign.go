package main

import (
	"net/http"

	"github.com/urfave/cli/v2"

	"drayage/engineconfig"
	"drayage/registry"
)

func foreignFlag() cli.Flag {
	return &cli.BoolFlag{Name: "foreign-urls", Usage: "fetch foreign layers that the registry does not have from the URLs in their manifest, without credentials"}
}

// foreignTransport is for what --foreign-urls allows. Whoever trusts a registry without its certificate does not trust
// the whole world so.
func foreignTransport(c *cli.Context, hosts *engineconfig.Hosts) http.RoundTripper {
	if !c.Bool("foreign-urls") {
		return nil
	}
	config := hosts.TLS.Clone()
	config.InsecureSkipVerify = false
	return registry.NewForeignTransport(config, hosts.Limit)
}
