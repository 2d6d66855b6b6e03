package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

const maxUploads = 6 // of one blob are begun: as often as a request is sent

// Pusher writes blobs and manifests into one repository: blobs first, then the manifests that refer to
// them. Get one from [Repository.Pusher]. It may be used concurrently.
type Pusher struct{ place *place }

// PushOptions say how one blob is pushed. The zero value is good.
type PushOptions struct {
	// From is the path of another repository of the same registry that is known to have the blob. The
	// registry is asked to take the blob over from there. [Pusher.PushStream] ignores From.
	From string
	// Always sends the blob even if the registry says that it has the blob.
	Always bool
	// Journal remembers where this upload goes on. nil: a later process cannot resume the upload.
	Journal Journal
	// Progress is told how many bytes of the blob the registry has been given. The number falls where
	// the upload begins again. Progress must return at once; nil: nobody is told.
	Progress func(sent int64)
}

// Pusher returns the way to write into the repository. If [Client.Endpoints] names no endpoint for pushes,
// all methods of the Pusher say so.
func (r *Repository) Pusher() *Pusher { return &Pusher{r.own} }

// Push stores the blob d, unless the repository has it. The content is verified while it is sent, and a
// source that is not what d says stores nothing. Push resumes an upload that breaks off, or begins it
// again. It sends one PUT where the registry allows, because all registries take that form.
func (p *Pusher) Push(ctx context.Context, d v1.Descriptor, src image.Source, opts PushOptions) error {
	content := image.NewRereader(src, d)
	open := func(held int64) (io.ReadCloser, int64, error) {
		rc, at := content.Open(ctx, held)
		return rc, at, nil
	}
	return p.tries(ctx, func() error {
		u := &upload{place: p.place, opts: opts, blob: d, open: open}
		if !opts.Always {
			there, err := p.has(ctx, d, opts.From)
			if err != nil {
				return err
			}
			if there {
				u.forget()
				u.report(d.Size)
				return nil
			}
		}
		return u.run(ctx)
	})
}

// PushStream stores content whose digest is known only when all of it has passed by, and returns its
// descriptor. open returns the content from its beginning, perhaps more than once. An error of open or of
// Read breaks the upload off and is returned. Nothing is stored unless the content ends with io.EOF.
func (p *Pusher) PushStream(
	ctx context.Context, mediaType string, open func() (io.ReadCloser, error), opts PushOptions,
) (v1.Descriptor, error) {
	var d v1.Descriptor
	begin := func(int64) (io.ReadCloser, int64, error) {
		rc, err := open()
		return rc, 0, err
	}
	err := p.tries(ctx, func() error {
		u := &upload{place: p.place, opts: opts, open: begin, stream: true}
		err := u.run(ctx)
		d = u.blob
		return err
	})
	d.MediaType = mediaType
	return d, err
}

// has reports whether the repository has d, or took it over from another one.
func (p *Pusher) has(ctx context.Context, d v1.Descriptor, from string) (bool, error) {
	there, err := p.place.exists(ctx, d)
	switch {
	case errors.Is(err, ErrDenied):
		return false, err
	case !there && from != "":
		return p.Mount(ctx, d, from)
	}
	return there, nil
}

// Mount asks the registry to take the blob d over from another of its repositories, whose path is from, and
// reports whether the registry did. If from is empty, the registry is asked to find the blob itself, which
// few do. A refusal is no error: there are many kinds. See "Mounting a blob from another repository" in
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md.
func (p *Pusher) Mount(ctx context.Context, d v1.Descriptor, from string) (bool, error) {
	req, err := p.place.post(ctx)
	if err != nil {
		return false, err
	}
	query := url.Values{"mount": {d.Digest.String()}}
	if from != "" {
		query.Set("from", from)
	}
	req.url.RawQuery = query.Encode()
	req.tries, req.cookies = 1, &cookies{}
	resp, err := p.place.host.write(ctx, req)
	if err != nil {
		return false, ctx.Err()
	}
	if resp.StatusCode == http.StatusCreated {
		return true, nil
	}
	if at, err := resolveLocation(resp); err == nil { // the registry has begun an upload instead
		(&upload{place: p.place, home: at, cookies: req.cookies}).abort(ctx)
	}
	return false, nil
}

// tries repeats an upload while its failures are transient or the registry has lost it. The requests have
// repeated what they could: what fails here are bodies that broke off.
func (p *Pusher) tries(ctx context.Context, upload func() error) error {
	var before error
	for n := 1; ; n++ {
		err := upload()
		again := (retry.IsTransient(err) || lost(err)) && !errors.Is(err, verify.ErrMismatch)
		if err != nil && !again && before != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w; it was begun again because of: %w", err, before)
		}
		if !again || n >= maxUploads {
			return err
		}
		before = err
		next := &Retry{Number: n, Most: maxUploads - 1, Wait: retry.Delay(n), Cause: err}
		if serr := p.place.host.again(ctx, next); serr != nil {
			return serr
		}
	}
}

// lost reports whether a registry does not know an upload that it has begun, or not as we know it.
func lost(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Method == http.MethodPatch || e.Method == http.MethodPut) &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusRequestedRangeNotSatisfiable ||
			e.Code == "BLOB_UPLOAD_UNKNOWN" || e.Code == "BLOB_UPLOAD_INVALID")
}

// PutManifest stores a manifest under a tag or under its digest, unless it is there. A manifest with a
// subject is entered into the list of the subject's referrers, where the registry does not do so itself.
func (p *Pusher) PutManifest(ctx context.Context, target, mediaType string, raw []byte) error {
	d := image.Describe(mediaType, raw)
	doc, err := image.ParseManifest(mediaType, raw)
	if err != nil {
		return err
	}
	// A subject that is no digest is nothing that could have a list of referrers.
	refers := doc.Subject != nil && verify.Digest(doc.Subject.Digest) == nil
	if !refers {
		if there, err := p.place.digest(ctx, target); err == nil && there == d.Digest {
			return nil
		}
	}
	answer, err := p.put(ctx, target, mediaType, raw)
	refused := isRefused(err) || isAnswer(err) && errors.Is(err, ErrNotFound)
	if refused && !IsBlobUnknown(err) { // somebody else may have stored it meanwhile
		if there, derr := p.place.digest(ctx, target); derr == nil && there == d.Digest {
			return nil
		}
	}
	if err != nil || !refers || answer.Get("OCI-Subject") != "" {
		return err
	}
	return p.addReferrer(ctx, d, doc)
}

// ReplaceManifest stores a manifest even if the registry says that it has the manifest.
func (p *Pusher) ReplaceManifest(ctx context.Context, target, mediaType string, raw []byte) error {
	_, err := p.put(ctx, target, mediaType, raw)
	return err
}

func (p *Pusher) put(ctx context.Context, target, mediaType string, raw []byte) (http.Header, error) {
	d := image.Describe(mediaType, raw)
	req, err := p.place.request(ctx, http.MethodPut, "/manifests/"+target,
		http.StatusCreated, http.StatusOK, http.StatusAccepted, http.StatusNoContent)
	if err != nil {
		return nil, err
	}
	req.header.Set("Content-Type", mediaType)
	req.body = bytesBody(raw)
	resp, err := p.place.host.write(ctx, req)
	if err != nil {
		return nil, err
	}
	got := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if verify.Digest(got) == nil && got.Algorithm() == d.Digest.Algorithm() && got != d.Digest {
		return nil, verify.Mismatchf("%s: the registry stored manifest %s as %s",
			p.place.Name(), d.Digest, got)
	}
	return resp.Header, nil
}

// addReferrer enters a manifest with a subject into the tag that stands in for the referrers API. Calls of
// one client wait for each other. Of two clients one may lose its entry; the specification has no better way.
func (p *Pusher) addReferrer(ctx context.Context, d v1.Descriptor, doc image.Document) error {
	p.place.host.referrers.Lock()
	defer p.place.host.referrers.Unlock()
	known, err := p.place.referrersTag(ctx, doc.Subject.Digest)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k v1.Descriptor) bool { return k.Digest == d.Digest }) {
		return nil
	}
	d.ArtifactType, d.Annotations = doc.Artifact(), doc.Annotations
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: append(known, d)}
	index.SchemaVersion = 2
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return p.ReplaceManifest(ctx, ReferrersTag(doc.Subject.Digest), v1.MediaTypeImageIndex, raw)
}
