package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"drayage/internal/guide"
	"drayage/internal/source"
	"drayage/registry"
)

// askedTags is how long a registry may take to list what it has in place of a tag: the answer only helps.
const askedTags = 5 * time.Second

// notThere says what a registry has in place of what it does not have.
type notThere struct {
	text string
	err  error
}

func (e *notThere) Error() string { return e.text }

func (e *notThere) Unwrap() error { return e.err }

// missing is the function missing for a command that takes names of images. One that was typed like that of
// a file may be meant as that.
func (c call) missing(
	ctx context.Context, repo *registry.Repository, ref registry.Reference, err error,
) error {
	err = missing(ctx, repo, ref, err)
	for _, text := range c.Args().Slice() {
		typed, wrong := reference(c.Context, text)
		if wrong == nil && typed == ref && c.String("registry") == "" {
			err = source.Spec{Text: text, Kind: source.Registry}.Explain(err)
		}
	}
	return err
}

// missing makes of an error about a name that a registry does not have one that says what there is.
func missing(ctx context.Context, repo *registry.Repository, ref registry.Reference, err error) error {
	var refused *registry.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound ||
		!strings.Contains(refused.URL, "/manifests/") {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askedTags)
	defer cancel()
	tags, listed := repo.Tags(ctx)
	text := guide.NoTag(ref.Name(), ref.Tag, ref.Digest.String(), tags)
	if errors.Is(listed, registry.ErrNotFound) || listed == nil && len(tags) == 0 {
		text = guide.NoRepository(ref.Name(), ref.Registry)
	}
	return &notThere{text, err}
}

// explain is missing for a command that looks at one image.
func (l *looker) explain(ctx context.Context, err error) error {
	if err == nil || l.client == nil || l.set != nil && l.set.Spec.Kind != source.Registry {
		return err
	}
	if l.set != nil {
		ref := l.set.Spec.Ref
		err = missing(ctx, l.client.Repository(ref), ref, err)
		var said *notThere
		if errors.As(err, &said) {
			said.text = l.Command.Name + " " + ref.String() + ": " + said.text
		}
	}
	return source.Spec{Text: l.Args().First()}.Explain(err)
}
