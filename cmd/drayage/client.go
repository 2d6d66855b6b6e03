package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/engineconfig"
	"drayage/image"
	"drayage/registry"
)

// maxPassword bounds what --password-stdin reads. Tokens that serve as passwords reach some kilobytes.
const maxPassword = 64 << 10

func outputFlags() []cli.Flag {
	return []cli.Flag{
		quietFlag(),
		&cli.BoolFlag{Name: "json", Usage: "print the result as one JSON document"},
	}
}

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"},
		Usage: "no progress and no notes, only results and errors"}
}

func jobsFlag(what, number string) cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, DefaultText: number,
		Usage: "`N` " + what + " at once"}
}

func platformFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "platform", Usage: usage}
}

func registryFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "creds",
			Usage: "log in as `USER[:PASSWORD]` instead of with what docker or podman have stored"},
		&cli.BoolFlag{Name: "password-stdin", Usage: "read the password for --creds USER from standard input"},
		authFileFlag("take credentials from `FILE` only, docker's config.json or podman's auth.json"),
	}, append(connectionFlags(), endpointFlags()...)...)
}

func authFileFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "authfile", Usage: usage} }

// connectionFlags say how a registry is reached.
func connectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "plain-http", Usage: "speak http to the registry (unasked only on this machine)"},
		&cli.BoolFlag{Name: "insecure", Usage: "do not verify the registry's TLS certificate"},
		&cli.StringFlag{Name: "ca-file", Usage: "PEM file with CA certificates to trust besides the system's"},
		&cli.StringFlag{Name: "limit-rate",
			Usage: "use no more than `BYTES` per second of the network, such as 500k or 2M"},
	}
}

// newClient makes the client that the flags ask for. The command talks to no other registries. A strict
// client never logs in anonymously because a credential helper has failed: commands that change a registry
// need one.
func (c call) newClient(registries []string, strict bool) (*registry.Client, error) {
	credentials, err := c.credentials(registries, strict)
	if err != nil {
		return nil, err
	}
	return c.clientWith(credentials)
}

func (c call) clientWith(credentials credentialsFunc) (*registry.Client, error) {
	hosts, err := newHosts(c.Context)
	if err != nil {
		return nil, err
	}
	client := engineconfig.NewClient(hosts, nil)
	client.Credentials = credentials
	client.Foreign = c.foreignTransport(hosts)
	client.ExtraStreams = extraStreams(c.Int("jobs"))
	client.UserAgent = "drayage/" + versionString()
	client.Notify = func(message string) { c.note("note: %s", message) }
	return client, nil
}

// extraStreams is how many extra streams may read large blobs. -j bounds them too.
func extraStreams(jobs int) int {
	if jobs == 1 {
		return -1
	}
	return max(jobs-1, 0)
}

func tlsConfig(c *cli.Context) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: c.Bool("insecure")}
	path := c.String("ca-file")
	if path == "" {
		return config, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca-file %s holds no PEM certificate", path)
	}
	return config, nil
}

func foreignFlag() cli.Flag {
	return &cli.BoolFlag{Name: "foreign-urls", Usage: "fetch foreign layers that the registry does not have " +
		"from the URLs in their manifest, without credentials"}
}

// foreignTransport is for what --foreign-urls allows. It verifies certificates even with --insecure: to
// trust one registry is not to trust the whole world.
func (c call) foreignTransport(hosts *engineconfig.Hosts) http.RoundTripper {
	if !c.Bool("foreign-urls") {
		return nil
	}
	config := hosts.TLS.Clone()
	config.InsecureSkipVerify = false
	return registry.NewForeignTransport(config, hosts.Limit)
}

type credentialsFunc = func(ctx context.Context, registry, repository string) (registry.Credential, error)

// credentials are those of the flags, for the only registry of the command, or those that are stored.
func (c call) credentials(registries []string, strict bool) (credentialsFunc, error) {
	if !c.IsSet("creds") {
		if c.Bool("password-stdin") {
			return nil, usagef("--password-stdin needs --creds USER")
		}
		if path := c.String("authfile"); path != "" {
			if _, err := os.Stat(path); err != nil {
				return nil, fmt.Errorf("--authfile: %w", err)
			}
		}
		logins := &engineconfig.Logins{AuthFile: c.String("authfile"), Strict: strict, Warn: c.warning()}
		return logins.Credential, nil
	}
	slices.Sort(registries)
	registries = slices.Compact(registries)
	if len(registries) > 1 {
		return nil, usagef("--creds is for one registry, but the command talks to %s",
			strings.Join(registries, " and "))
	}
	user, password, ok := strings.Cut(c.String("creds"), ":")
	if c.Bool("password-stdin") {
		if ok {
			return nil, usagef("--password-stdin, but --creds holds a password too")
		}
		var err error
		if password, err = readPassword(c.stdin); err != nil {
			return nil, err
		}
	} else if !ok {
		return nil, usagef("--creds %s holds no password: add :PASSWORD or --password-stdin", user)
	}
	return only(registries[0], registry.Credential{Username: user, Password: password}), nil
}

// warning returns a function that shows a warning.
func (c call) warning() func(string) {
	return func(message string) { c.note("warning: %s", message) }
}

// readPassword reads all of r but the line ends after it: keys that serve as passwords have many lines.
func readPassword(r io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(raw), "\r\n")
	switch {
	case len(raw) > maxPassword:
		return "", usagef("--password-stdin: more than %d bytes", maxPassword)
	case password == "":
		return "", usagef("--password-stdin: standard input is empty")
	}
	return password, nil
}

// platforms reads --platform. Values may also be given as one list with commas.
func (c call) platforms() (chosen []v1.Platform, all bool, err error) {
	values := c.StringSlice("platform")
	for _, s := range values {
		if s == "all" {
			if len(values) > 1 {
				return nil, false, usagef("--platform all stands alone")
			}
			return nil, true, nil
		}
		p, err := image.ParsePlatform(s)
		if err != nil {
			return nil, false, usagef("%v", err)
		}
		chosen = append(chosen, p)
	}
	return chosen, false, nil
}
