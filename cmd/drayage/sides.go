package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/registry"
)

// sideFlags are for commands that read from one registry and write into another.
func sideFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "src-creds", Category: groupAccess,
			Usage: "log in as `USER[:PASSWORD]` where images come from"},
		&cli.StringFlag{Name: "dest-creds", Category: groupAccess,
			Usage: "log in as `USER[:PASSWORD]` where images go"},
	}
}

// bothFlags are for both registries. --registry would make one of them of both.
func bothFlags() []cli.Flag {
	return slices.DeleteFunc(registryFlags(), func(f cli.Flag) bool { return f.Names()[0] == "registry" })
}

// bothCredentials are those of the flags, and of all other registries those that are stored. --creds is for
// commands that talk to one registry only.
func (c call) bothCredentials(from []string, to string) (credentialsFunc, error) {
	if !c.IsSet("src-creds") && !c.IsSet("dest-creds") {
		both := slices.Compact(slices.Sorted(slices.Values(append([]string{to}, from...))))
		if c.IsSet("creds") && len(both) > 1 {
			return nil, usagef("--creds is for one registry, but images go from one to another: "+
				"give --src-creds, --dest-creds or both (registries: %s)", strings.Join(both, ", "))
		}
		return c.credentials(both, true)
	}
	if c.IsSet("creds") {
		return nil, usagef("--creds is --src-creds and --dest-creds in one: give the one or the others")
	}
	given, err := c.sides(from, to)
	if err != nil {
		return nil, err
	}
	stored, err := c.logins(true)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, name, repository string) (registry.Credential, error) {
		if cred, ok := given[name]; ok {
			return cred, nil
		}
		return stored(ctx, name, repository)
	}, nil
}

// sides reads --src-creds and --dest-creds.
func (c call) sides(from []string, to string) (map[string]registry.Credential, error) {
	given := map[string]registry.Credential{}
	sources := slices.Compact(slices.Sorted(slices.Values(from)))
	switch {
	case len(sources) == 0 && c.IsSet("src-creds"):
		return nil, usagef("--src-creds, but no image comes from a registry")
	case len(sources) == 0:
		sources = []string{to}
	case c.IsSet("src-creds") && len(sources) > 1:
		return nil, usagef("--src-creds is for one registry, but images come from %s: drayage login stores "+
			"a password for each", strings.Join(sources, " and "))
	case c.Bool("password-stdin") && c.hasPassword("src-creds") == c.hasPassword("dest-creds"):
		return nil, usagef("--password-stdin is for one of --src-creds and --dest-creds: the one without a " +
			"password")
	}
	for _, side := range []struct{ flag, name string }{{"src-creds", sources[0]}, {"dest-creds", to}} {
		if !c.IsSet(side.flag) {
			continue
		}
		cred, err := c.credential(side.flag)
		name := side.name
		if err != nil {
			return nil, err
		}
		if there, ok := given[name]; ok && there != cred {
			return nil, usagef("--src-creds and --dest-creds differ, but both are for %s: give --creds", name)
		}
		given[name] = cred
	}
	return given, nil
}

// hasPassword reports whether a flag for credentials needs no password from elsewhere.
func (c call) hasPassword(flag string) bool {
	return !c.IsSet(flag) || strings.Contains(c.String(flag), ":")
}
