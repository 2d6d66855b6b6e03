package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/engineconfig"
	"drayage/image"
	"drayage/internal/certfile"
	"drayage/internal/plaintext"
	"drayage/registry"
)

// maxPassword bounds what --password-stdin reads. Tokens that serve as passwords reach some kilobytes.
const maxPassword = 64 << 10

func outputFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		quietFlag(),
		jsonFlag(),
	}, more...)
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print the result as one JSON document"}
}

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: groupOutput,
		Usage: "no progress and no notes, only results and errors"}
}

func jobsFlag(what, number string) cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Category: groupFast, DefaultText: number,
		Usage: "`N` " + what + " at once"}
}

// platformFlag is for one platform, or for several where the usage says so.
func platformFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "platform", Category: groupWhat, Usage: usage}
}

// registryFlags are those of commands that read blobs from a registry.
func registryFlags() []cli.Flag { return append(writeFlags(), mirrorFlag()) }

// lookFlags are those of commands that read little from a registry: none needs to be slow.
func lookFlags() []cli.Flag {
	return append(accessFlags(), limitRateFlag(true), apiFlag(), mirrorFlag())
}

// writeFlags are those of commands that write into a registry.
func writeFlags() []cli.Flag { return append(accessFlags(), limitRateFlag(false), apiFlag()) }

func accessFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "creds", Category: groupAccess,
			Usage: "log in as `USER[:PASSWORD]` instead of with what docker or podman have stored"},
		&cli.BoolFlag{Name: "password-stdin", Category: groupAccess,
			Usage: "read the password for --creds USER from standard input"},
		authFileFlag("take credentials from `FILE` only, docker's config.json or podman's auth.json"),
	}, connectionFlags()...)
}

func authFileFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "authfile", Category: groupAccess, Usage: usage}
}

// connectionFlags say how a registry is reached.
func connectionFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "plain-http", Category: groupAccess,
			Usage: "speak http to the registry; one on this machine needs no flag"},
		&cli.BoolFlag{Name: "insecure", Category: groupAccess,
			Usage: "do not verify the registry's TLS certificate"},
		&cli.StringFlag{Name: "ca-file", Category: groupAccess,
			Usage: "trust the CA certificates in `FILE` too, not only the system's"},
	}, tellFlags()...)
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
	client.Observe = c.observe
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
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	cas, err := certfile.CAs(raw)
	if err != nil {
		return nil, usagef("--ca-file %s %v", path, err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	for _, ca := range cas {
		config.RootCAs.AddCert(ca)
	}
	return config, nil
}

func foreignFlag() cli.Flag {
	return &cli.BoolFlag{Name: "foreign-urls", Category: groupWhat,
		Usage: "fetch foreign layers that the registry does not have from the URLs in their manifest, " +
			"without credentials"}
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
		return c.logins(strict)
	}
	slices.Sort(registries)
	registries = slices.Compact(registries)
	if len(registries) > 1 {
		return nil, usagef("--creds is for one registry, but the command talks to %s",
			strings.Join(registries, " and "))
	}
	if c.Bool("password-stdin") && strings.Contains(c.String("creds"), ":") {
		return nil, usagef("--password-stdin, but --creds holds a password too")
	}
	cred, err := c.credential("creds")
	return only(registries[0], cred), err
}

// logins are the credentials that are stored.
func (c call) logins(strict bool) (credentialsFunc, error) {
	if path := c.String("authfile"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--authfile: %w", err)
		}
	}
	logins := &engineconfig.Logins{AuthFile: c.String("authfile"), Strict: strict, Warn: c.warning()}
	return logins.Credential, nil
}

// credential reads a flag for a credential. If it has no password, that comes with --password-stdin.
func (c call) credential(flag string) (cred registry.Credential, err error) {
	user, password, ok := strings.Cut(c.String(flag), ":")
	switch {
	case ok && password == "":
		err = usagef("--%s has nothing behind the colon: the password is empty", flag)
	case ok:
	case c.Bool("password-stdin"):
		password, err = readPassword(c.stdin)
	default:
		err = usagef("--%s holds no password: add :PASSWORD or --password-stdin", flag)
	}
	return registry.Credential{Username: user, Password: password}, err
}

// warning returns a function that shows a warning.
func (c call) warning() func(string) {
	return func(message string) { c.note("warning: %s", message) }
}

// readPassword reads all of r but the line ends after it: keys that serve as passwords have many lines.
func readPassword(r io.Reader) (string, error) {
	return readPasswordOf(r, "--password-stdin", "standard input")
}

// readPasswordOf is readPassword of what a flag names.
func readPasswordOf(r io.Reader, flag, what string) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(plaintext.UTF8(raw)), "\r\n")
	switch {
	case len(raw) > maxPassword:
		return "", usagef("%s: more than %d bytes", flag, maxPassword)
	case password == "":
		return "", usagef("%s: %s is empty", flag, what)
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

func apiFlag() cli.Flag {
	return baseFlag("`URL` of the registry's API, with its path prefix; image names are then repositories in it")
}

func mirrorFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "mirror", Category: groupWhere,
		Usage: "read from `[REGISTRY=]URL` first; without REGISTRY= it stands in for docker.io"}
}

func baseFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "registry", Category: groupWhere, Usage: usage}
}

// newHosts returns what the machine's configuration files say of registries, with what the flags add.
func newHosts(c *cli.Context) (*engineconfig.Hosts, error) {
	config, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	limit, err := rateLimit(c)
	if err != nil {
		return nil, err
	}
	hosts := &engineconfig.Hosts{TLS: config, Limit: limit, PlainHTTP: c.Bool("plain-http")}
	if base := c.String("registry"); base != "" {
		if err := hosts.SetBase(base); err != nil {
			return nil, usagef("--registry %s: %v", base, err)
		}
	}
	for _, m := range c.StringSlice("mirror") {
		name, address := "docker.io", m
		if before, after, ok := strings.Cut(m, "="); ok && !strings.ContainsAny(before, "/?") {
			name, address = before, after
		}
		if err := hosts.AddMirror(name, address); err != nil {
			return nil, usagef("--mirror %s: %v", m, err)
		}
	}
	return hosts, nil
}

// reference reads an image name of the command line. With --registry the name is a repository there,
// without the defaults of Docker Hub.
func reference(c *cli.Context, name string) (registry.Reference, error) {
	base := c.String("registry")
	if base == "" {
		return registry.ParseTyped(name)
	}
	host, err := hostOf(base)
	if err != nil {
		return registry.Reference{}, err
	}
	repository := strings.TrimPrefix(registry.TrimScheme(strings.TrimSpace(name)), host+"/")
	ref, err := registry.ParseReference("registry.invalid/" + repository)
	ref.Registry = host
	return ref, err
}

// hostOf returns the name of a registry that was given by URL. The name cannot be taken for a path on
// Docker Hub.
func hostOf(base string) (string, error) {
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", usagef("--registry %s is no URL", base)
	}
	if u.Port() == "" && !strings.Contains(u.Host, ".") && u.Hostname() != "localhost" {
		if u.Scheme == "http" {
			return u.Host + ":80", nil
		}
		return u.Host + ":443", nil
	}
	return u.Host, nil
}
