package main

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/registry"
)

const digestHelp = `Prints name@sha256:... of an image: of its manifest for one platform, or with
--list of what the tag itself stands for, which for images of several platforms
is an index. Of a layout it prints one line for each image. With --list nothing
counts as a pull.

EXAMPLES:
   drayage digest alpine:3.20
   drayage digest alpine:3.20 --platform linux/arm64
   drayage digest alpine:3.20 --list
   drayage digest oci:images:alpine:3.20`

func digestCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "digest",
		Usage:       "print the digest of an image",
		UsageText:   "drayage digest SOURCE",
		Description: digestHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "list", Usage: "of the index, or whatever else the tag stands for"},
			platformFlag("`OS/ARCH[/VARIANT]` of the image (default: linux on this machine's architecture)"),
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: func(c *cli.Context) error { return env.digest(c.Context, c) },
	}
}

// digestResult is an image in the JSON result.
type digestResult struct {
	Name      string        `json:"name"`      // as the source has it
	Reference string        `json:"reference"` // repository@digest, or the digest alone if there is no name
	Digest    digest.Digest `json:"digest"`
	Platform  string        `json:"platform,omitempty"`
}

func (e *environment) digest(ctx context.Context, c *cli.Context) error {
	l := e.newLooker(c)
	defer l.close()
	arg, err := l.argument("SOURCE")
	if err != nil {
		return err
	}
	want, err := l.onePlatform()
	if err != nil {
		return err
	}
	if c.Bool("list") && len(want) > 0 {
		return usagef("--list is about all platforms: leave out --platform")
	}
	all, err := l.open(ctx, arg)
	if err != nil {
		return fmt.Errorf("digest %s: %w", arg, err)
	}
	var results []digestResult
	var lines []string
	for i := range all {
		r, err := l.digestOf(ctx, &all[i], want)
		if err != nil {
			return fmt.Errorf("digest %s: %w", arg, err)
		}
		results = append(results, r)
		lines = append(lines, r.Reference)
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Images []digestResult `json:"images"`
		}{results})
	}
	return e.printLines(lines)
}

func (l *looker) digestOf(ctx context.Context, s *subject, want []v1.Platform) (digestResult, error) {
	r := digestResult{Name: s.label}
	if s.saved != nil {
		return r, noManifest(s)
	}
	if l.c.Bool("list") {
		d, err := s.rootDigest(ctx)
		if err != nil {
			return r, err
		}
		r.Digest = d
	} else {
		leaf, _, err := l.pick(ctx, s, want)
		if err != nil {
			return r, fmt.Errorf("%s: %w", s.label, err)
		}
		if r.Digest = leaf.Descriptor.Digest; leaf.Platform.OS != "" {
			r.Platform = image.FormatPlatform(leaf.Platform)
		}
	}
	r.Reference = s.at(r.Digest)
	return r, nil
}

// rootDigest is the digest that a tag stands for. Of a registry it is asked without fetching anything, which for
// Docker Hub is no pull; whoever then uses the digest has the content verified against it.
func (s *subject) rootDigest(ctx context.Context) (digest.Digest, error) {
	if s.repo != nil && s.ref.Digest == "" {
		if d, err := s.repo.Digest(ctx, s.ref.Target()); err != nil || d != "" {
			return d, err
		}
	}
	err := s.load(ctx)
	return s.root.Digest, err
}

// at is the name of the image with a digest instead of a tag.
func (s *subject) at(d digest.Digest) string {
	if len(s.names) > 0 {
		if ref, err := registry.ParseReference(s.names[0]); err == nil {
			return ref.Name() + "@" + d.String()
		}
	}
	return d.String()
}
