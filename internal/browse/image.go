package browse

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/pullers"
	"drayage/internal/terminal"
	"drayage/internal/verify"
	"drayage/serve"
)

// Bounds on what a page shows. Real images are far below.
const (
	maxPlatforms = 64
	maxLayers    = 256
	maxReferrers = 32
	maxLabels    = 24
	maxText      = 300 // characters of what an image says of itself
)

// shown is the page of an image.
type shown struct {
	page
	Name            string // in full
	Digest          digest.Digest
	Kind, MediaType string
	Pulls           []pull
	Image           *inspect.Image
	Platforms       []platform
	MorePlatforms   int
	Referrers       []referrer
	MoreReferrers   int
	Attestations    int
	Total           string
	Lacks           int // layers that are not here
}

type pull struct {
	Engine  pullers.Engine
	Command string
}

// platform is an image for one platform as the page shows it.
type platform struct {
	inspect.Platform
	Name, Size, Created string
	Facts               []fact
	Labels              []fact
	Layers              []layer
	MoreLayers          int
	Layered             int
}

type fact struct{ Name, Text string }

type layer struct {
	Digest, Size string
	Absent       bool
}

type referrer struct {
	Digest digest.Digest
	Type   string
	Link   string
}

// image answers with the page of NAME:TAG or NAME@DIGEST.
func (b *browser) image(w http.ResponseWriter, r *http.Request, name string) {
	c, release := b.Hold()
	defer release()
	repository, d, ok := find(c, name)
	if !ok {
		b.missing(w, r, "There is no image of that name.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	if !b.turn(ctx) {
		b.say(w, r, http.StatusServiceUnavailable, "Too many pages at once: try again.")
		return
	}
	defer func() { <-b.turns }()
	s := shown{page: b.page(r, name), Name: name, Digest: d}
	err := s.read(ctx, c)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.missing(w, r, "The manifest of this image is not here.")
		return
	case err != nil:
		b.say(w, r, http.StatusInternalServerError, "This image cannot be read: "+
			clip(terminal.Line(err.Error()), maxText))
		return
	}
	s.pulls(c, repository)
	if !wantsHTML(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, p := range s.Pulls {
			_, _ = w.Write([]byte(p.Command + "\n")) // who asked has gone away
		}
		return
	}
	show(w, http.StatusOK, "image.html", s)
}

// find resolves a name.
func find(c *serve.Catalog, name string) (serve.Repository, digest.Digest, bool) {
	if base, d, ok := strings.Cut(name, "@"); ok {
		repo, found := c.Repository(base)
		return repo, digest.Digest(d), found && verify.Digest(digest.Digest(d)) == nil
	}
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return serve.Repository{}, "", false
	}
	repo, found := c.Repository(name[:i])
	for _, t := range repo.Tags {
		if t.Name == name[i+1:] {
			return repo, t.Root.Digest, found
		}
	}
	return repo, "", false
}

// read fills in what manifests and configurations say.
func (s *shown) read(ctx context.Context, c *serve.Catalog) error {
	root, err := c.Manifest(ctx, s.Digest)
	if err != nil {
		return err
	}
	s.MediaType = root.MediaType
	if s.Image, err = inspect.Read(ctx, c, root, inspect.Options{Configs: true}); err != nil {
		return err
	}
	s.Kind = map[inspect.Kind]string{inspect.Index: "image for several platforms", inspect.Manifest: "image",
		inspect.Artifact: "artifact"}[s.Image.Kind]
	s.Attestations = len(s.Image.Attestations)
	s.Total = terminal.Size(s.Image.LayerBytes)
	s.MorePlatforms = max(len(s.Image.Platforms)-maxPlatforms, 0)
	for i := range s.Image.Platforms {
		p := &s.Image.Platforms[i]
		for j := range p.Layers {
			_, err := c.Stat(p.Layers[j].Digest)
			p.Layers[j].Absent = p.Layers[j].Absent || errors.Is(err, fs.ErrNotExist)
			if p.Layers[j].Absent {
				s.Lacks++
			}
		}
		if i < maxPlatforms {
			s.Platforms = append(s.Platforms, newPlatform(p))
		}
	}
	s.readReferrers(ctx, c)
	return nil
}

// readReferrers lists what belongs to the image and to its platforms. What cannot be read is listed without
// its type.
func (s *shown) readReferrers(ctx context.Context, c *serve.Catalog) {
	name, _, _ := strings.Cut(s.Name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	var all []v1.Descriptor
	for _, d := range s.Image.Subjects() {
		all = append(all, c.Referrers(d)...)
	}
	s.MoreReferrers = max(len(all)-maxReferrers, 0)
	for _, d := range all[:len(all)-s.MoreReferrers] {
		s.Referrers = append(s.Referrers, referrer{d.Digest, typeOf(ctx, c, d.Digest),
			imageLink(name + "@" + d.Digest.String())})
	}
}

// typeOf is what a referrer says that it is.
func typeOf(ctx context.Context, c *serve.Catalog, d digest.Digest) string {
	desc, err := c.Manifest(ctx, d)
	if err != nil {
		return "cannot be read"
	}
	raw, err := image.ReadAll(ctx, c, desc, image.MaxManifestSize)
	if err != nil {
		return "cannot be read"
	}
	document, err := image.ParseManifest(desc.MediaType, raw)
	if err != nil {
		return desc.MediaType
	}
	return clip(document.Artifact(), maxText)
}

func newPlatform(p *inspect.Platform) platform {
	shown := platform{Platform: *p, Name: p.Platform, Size: terminal.Size(p.LayerBytes), Layered: len(p.Layers)}
	if p.OSVersion != "" {
		shown.Name += " " + p.OSVersion
	}
	if shown.Name == "" {
		shown.Name = "no platform"
	}
	shown.MoreLayers = max(len(p.Layers)-maxLayers, 0)
	for _, l := range p.Layers[:len(p.Layers)-shown.MoreLayers] {
		shown.Layers = append(shown.Layers, layer{l.Digest.String(), terminal.Size(l.Size), l.Absent})
	}
	if p.Config != nil {
		shown.configured(p.Config)
	}
	return shown
}

// configured adds what the configuration says, as far as people want to see it.
func (p *platform) configured(c *inspect.Config) {
	if c.Created != nil && c.Created.Year() > 1970 {
		p.Created = c.Created.UTC().Format(time.DateOnly)
	}
	for _, f := range []fact{
		{"entrypoint", strings.Join(c.Entrypoint, " ")}, {"command", strings.Join(c.Cmd, " ")}, {"user", c.User},
		{"workdir", c.WorkingDir}, {"ports", strings.Join(c.ExposedPorts, ", ")},
		{"volumes", strings.Join(c.Volumes, ", ")},
	} {
		if f.Text != "" {
			p.Facts = append(p.Facts, fact{f.Name, clip(terminal.Line(f.Text), maxText)})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		name, ok := strings.CutPrefix(key, "org.opencontainers.image.")
		if ok && len(p.Labels) < maxLabels && c.Labels[key] != "" {
			p.Labels = append(p.Labels, fact{clip(name, 60), clip(terminal.Line(c.Labels[key]), maxText)})
		}
	}
}

// Short is the name by which a repository is pulled: its path alone where no other repository has it.
func Short(c *serve.Catalog, repository string) string {
	_, path := cutHost(repository)
	for _, other := range c.Repositories() {
		_, its := cutHost(other.Name)
		if other.Name != repository && (its == path || other.Name == path) {
			return repository
		}
	}
	return path
}

// pulls are the commands for the image.
func (s *shown) pulls(c *serve.Catalog, repo serve.Repository) {
	name := Short(c, repo.Name) + strings.TrimPrefix(s.Name, repo.Name)
	for _, e := range s.Engines {
		s.Pulls = append(s.Pulls, pull{e, e.Pull(s.Host + "/" + name)})
	}
}
