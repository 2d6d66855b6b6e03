package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/interrupt"
	"drayage/internal/report"
	"drayage/internal/tally"
	"drayage/internal/tell"
	"drayage/registry"
	"drayage/upload"
)

// imagesTold says of each image of a command when it is complete or has failed. The failure of a single one
// is the end of the command.
type imagesTold struct {
	call
	verb   string
	total  int
	done   int
	failed map[string]bool // those whose failure has been said
	there  map[string]bool // those that were there before, by the name that they go to
	shared map[string]bool // repositories of several images: their lines have tags

	counted map[digest.Digest]bool // blobs of images that are complete
}

func (c call) tellImages(verb string, total int) *imagesTold {
	return &imagesTold{call: c, verb: verb, total: total, failed: map[string]bool{}, there: map[string]bool{},
		counted: map[digest.Digest]bool{}}
}

// sharing names the repositories of the images, one for each.
func (t *imagesTold) sharing(repositories []string) {
	met := map[string]bool{}
	t.shared = map[string]bool{}
	for _, name := range repositories {
		t.shared[name] = met[name]
		met[name] = true
	}
}

// failure returns the error about an image, and says it, unless that has been done under this name or that of
// its source, which may be empty.
func (t *imagesTold) failure(name, source string, err error) error {
	err = fmt.Errorf("%s %s: %w", t.verb, name, err)
	said := t.failed[name] || source != "" && t.failed[source]
	t.failed[name] = true
	if t.total > 1 && !said {
		t.tell.Say(tell.Line{Level: tell.Error, Event: "image", Image: name, Message: t.describe(err),
			Code: report.Code(exitCode(context.Background(), err))})
	}
	return err
}

// fetched is for fetch.Options.Finished.
func (t *imagesTold) fetched(r fetch.Result) {
	if r.Err != nil {
		_ = t.failure(r.Reference.String(), "", r.Err)
		return
	}
	name, tag := r.Reference.Name(), r.Reference.Tag
	if tag != "" && (t.shared[name] || t.Bool("all-tags") || t.IsSet("tags")) { // or nobody has typed the tag
		name += ":" + tag
	}
	t.noteFetched(r, name)
}

// pushed is for upload.Options.Finished.
func (t *imagesTold) pushed(r upload.Result) {
	t.done++
	name := r.Target.Name()
	if r.Err != nil {
		_ = t.failure(name, "", r.Err)
	} else if t.total > 1 {
		did := map[string]string{"push": "pushed", "copy": "copied"}[t.verb]
		if t.there[name] {
			did = "unchanged"
		}
		t.sayImage(name, r.Descriptor.Digest.String(), "%s %s (%d of %d)", did, name, t.done, t.total)
	}
}

// again says at the end which images have failed, in the order of the results.
func (t *imagesTold) again(heading string, n int, result func(i int) (name string, err error)) {
	var all []tell.Failure
	for i := range n {
		if name, err := result(i); err != nil {
			all = append(all, tell.Failure{Image: name, Reason: t.reason(err)})
		}
	}
	if len(all) > 0 && t.total > 1 {
		t.tell.Failures(heading, all)
	}
}

// brokenOff says what is complete, what is kept and what has not begun of n images, when the command has been
// broken off. keptIn is where, empty if in a registry.
func (t *imagesTold) brokenOff(
	tally *tally.Tally, keptIn string, n int, result func(i int) (string, []v1.Descriptor, error),
) {
	if n == 0 || t.Bool("quiet") {
		return
	}
	i, counted := tell.Interrupted{KeptIn: keptIn, Total: n}, t.counted
	for k := range n { // what complete images have is not counted for others
		if name, blobs, err := result(k); err == nil {
			i.Complete = append(i.Complete, name)
			tally.Held(blobs, counted)
		}
	}
	for k := range n {
		name, blobs, err := result(k)
		switch held := tally.Held(blobs, counted); {
		case err == nil || t.failed[name]:
		case held > 0:
			i.Begun, i.KeptBytes = append(i.Begun, name), i.KeptBytes+held
		default:
			i.NotBegun = append(i.NotBegun, name)
		}
	}
	t.tell.Interrupted(i)
	t.again("failed:", n, func(k int) (string, error) {
		name, _, err := result(k)
		if !t.failed[name] {
			err = nil
		}
		return name, err
	})
}

// reason is why an image has failed, in a few words if there are any.
func (e *environment) reason(err error) string {
	if refused := (*registry.Error)(nil); errors.As(err, &refused) {
		return refused.Reason()
	}
	return e.describe(err)
}

// brokenOff says what is kept of a file that was not finished because of err.
func (s *saver) brokenOff(err error) error {
	i := tell.Interrupted{KeptIn: s.kept, KeptBytes: s.sum.Held}
	for _, im := range s.images {
		i.Begun = append(i.Begun, append(im.Names, im.Root.Digest.String())[0])
	}
	switch {
	case s.kept != "" && !s.Bool("quiet"):
		s.tell.Interrupted(i)
	case s.kept == "" && !s.told && errors.As(err, new(interrupt.Error)):
		return fmt.Errorf("%w; nothing is kept, the same command begins anew", err)
	}
	return err
}

// imageCount counts images, and referrers apart from them.
func imageCount(images, referrers int) string {
	if referrers == 0 {
		return fmt.Sprintf("images: %d", images)
	}
	return fmt.Sprintf("images: %d, referrers: %d", images, referrers)
}

func describeSaved(im *image.Image, names []string) report.Image {
	saved := report.Image{Name: im.Root.Digest.String(), OK: true}
	saved.Names = append([]string{}, names...)
	if len(names) > 0 {
		saved.Name = names[0]
	}
	saved.Digest, saved.MediaType = im.Root.Digest, im.Root.MediaType
	saved.Platforms, saved.Rewritten = report.Platforms(im.Platforms), im.Rewritten
	if config := im.RootNode().Document.Config; config != nil && len(saved.Platforms) == 1 { // an index has none
		saved.Platforms[0].ID = config.Digest
	}
	return saved
}
