package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/internal/imagesign"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

func cosignKeyFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "cosign-key", Category: groupWhat, Usage: usage}
}

func requireSignatureFlag() cli.Flag {
	return &cli.BoolFlag{Name: "require-signature", Category: groupWhat,
		Usage: "send nothing unless a --cosign-key has signed each image"}
}

// signatures are what is known of the signatures of the images of a SOURCE.
type signatures struct {
	call
	keys     []*imagesign.Key
	verdicts map[*source.Image]*imagesign.Verdict
	pushed   map[*image.Image]*imagesign.Verdict // of those that go somewhere
	unsigned []string                            // images, and why
	checker  *imagesign.Checker

	referrers int // that are container images
}

// newSignatures reads the keys that are given; nil if there is none.
func (c call) newSignatures() (*signatures, error) {
	s := &signatures{call: c, verdicts: map[*source.Image]*imagesign.Verdict{},
		pushed: map[*image.Image]*imagesign.Verdict{}}
	for _, name := range c.StringSlice("cosign-key") {
		if scheme, _, ok := strings.Cut(name, "://"); ok {
			return nil, usagef("--cosign-key takes a file, and %q begins with %s://: "+
				"cosign public-key --key %s > cosign.pub writes one", name, scheme, terminal.ShellWord(name))
		}
		key, err := readCosignKey(name)
		if errors.As(err, new(*os.PathError)) {
			return nil, fmt.Errorf("--cosign-key: %w", err)
		}
		if err != nil {
			return nil, usagef("--cosign-key %s: %v", name, err)
		}
		known := func(k *imagesign.Key) bool { return k.Fingerprint == key.Fingerprint }
		if !slices.ContainsFunc(s.keys, known) {
			s.keys = append(s.keys, key)
		}
	}
	if len(s.keys) == 0 && c.Bool("require-signature") {
		return nil, usagef("--require-signature needs the key that has signed the images: " +
			"--cosign-key cosign.pub")
	}
	if len(s.keys) == 0 {
		return nil, nil
	}
	return s, nil
}

func readCosignKey(name string) (*imagesign.Key, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return imagesign.ParseKey(name, f)
}

// check checks the signatures of what goes of an image, or of all of it: root in src. Of a docker tar root is
// empty. What belongs to images is in the layout of the set.
func (s *signatures) check(
	ctx context.Context, im *source.Image, src image.Source, root v1.Descriptor,
) (*imagesign.Verdict, error) {
	if im.Saved != nil {
		return &imagesign.Verdict{State: imagesign.Unsigned,
			Reason: "a docker tar keeps no manifest, and that is what is signed: save --format oci keeps it"}, nil
	}
	if s.checker == nil {
		s.checker = imagesign.New(src, im.Referring, s.keys)
	}
	return s.checker.Check(ctx, src, root)
}

// enter notes what is known of an image.
func (s *signatures) enter(im *source.Image, v *imagesign.Verdict) {
	s.verdicts[im] = v
	if v.State != imagesign.Signed {
		s.unsigned = append(s.unsigned, fmt.Sprintf("%s: %s", terminal.Quote(im.Label), v.Reason))
	}
	if other := renamed(v.Names, im.Names); other != "" {
		s.note("note: %s: it was called %s when it was signed, and a signature is not about names",
			terminal.Quote(im.Label), terminal.Quote(other))
	}
}

// renamed is the first name that an image had when it was signed, if none of its names now is in the same
// repository as any of these.
func renamed(were, are []string) string {
	now := map[string]bool{}
	for _, name := range are {
		now[repositoryOf(name)] = true
	}
	for _, name := range were {
		if len(now) == 0 || now[repositoryOf(name)] {
			return ""
		}
	}
	return strings.Join(were[:min(len(were), 1)], "")
}

func repositoryOf(name string) string {
	ref, err := registry.ParseReference(name)
	if err != nil {
		return name
	}
	return ref.Name()
}

// wanted names the keys.
func (s *signatures) wanted() string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.Name)
	}
	return source.List(names)
}

// fault is the error about images without a signature. The lines of verify have said the reasons already.
func (s *signatures) fault(before string) error {
	n, all := len(s.unsigned), len(s.verdicts)+s.referrers
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("%s: %d of %d images are not signed by %s", before, n, all, s.wanted())
	if all == 1 {
		text = fmt.Sprintf("%s: the image is not signed by %s", before, s.wanted())
	}
	if s.Command.Name != "verify" {
		text += ": " + strings.Join(s.unsigned[:min(n, maxUnsigned)], "; ")
	}
	return kind.Errorf(registry.ErrIntegrity, "%s", text)
}

// maxUnsigned is how many images a message lists.
const maxUnsigned = 20

// reportedSignature is a verdict for --json.
func reportedSignature(v *imagesign.Verdict) *report.ImageSignature {
	r := &report.ImageSignature{
		State: string(v.State), Reason: v.Reason, ManifestCount: v.Manifests, SignedNames: v.Names,
	}
	for _, k := range v.Keys {
		r.Keys = append(r.Keys, report.ImageKey{File: k.Name, Fingerprint: k.Fingerprint})
	}
	return r
}

// checkSignatures checks the signatures of the images of a set, if there is a key.
func (v *verifier) checkSignatures(ctx context.Context) error {
	if v.signatures == nil {
		return nil
	}
	var src image.Source // of all images that are not in a docker tar
	for _, t := range v.targets {
		if t.Saved == nil {
			src = t.Source
		}
	}
	for i, im := range v.set.Images {
		if im.Referrer {
			continue
		}
		verdict, err := v.signatures.check(ctx, im, src, v.targets[i].Root)
		if err != nil {
			return err
		}
		v.signatures.enter(im, verdict)
	}
	return nil
}

// reportSignatures enters the signatures into the result. It returns a line for each image.
func (v *verifier) reportSignatures(doc *report.Document) (lines []string) {
	if v.signatures == nil {
		return nil
	}
	for i, im := range v.set.Images {
		verdict := v.signatures.verdicts[im]
		if verdict == nil {
			continue
		}
		shown := &doc.Images[i]
		shown.Signature = reportedSignature(verdict)
		if verdict.State == imagesign.Signed {
			lines = append(lines, "signed "+calledAt(*shown)+" by "+terminal.Line(verdict.By()))
			continue
		}
		lines = append(lines, "unsigned "+calledAt(*shown)+": "+terminal.Line(verdict.Reason))
		if shown.OK {
			shown.OK = false
			shown.Error = &report.Error{Code: report.Code(exitIntegrity), Text: "not signed: " + verdict.Reason}
		}
	}
	return lines
}

// calledAt is the name of an image with its digest, if it has one.
func calledAt(im report.Image) string {
	name := terminal.Quote(im.Name)
	if im.Digest == "" || name == im.Digest.String() {
		return name
	}
	name, _, _ = strings.Cut(name, "@")
	return name + "@" + im.Digest.String()
}

// checkSignature checks the signature of what goes of an image. A signed index covers its manifests, also if
// only some of them go.
func (p *pusher) checkSignature(ctx context.Context, im *source.Image, goes *image.Image) error {
	if p.signatures == nil {
		return nil
	}
	if im.Saved != nil {
		goes = &image.Image{Graph: &image.Graph{}}
	}
	v, err := p.signatures.check(ctx, im, goes.Source, goes.Root)
	if err != nil {
		return err
	}
	if im.Saved == nil && v.State != imagesign.Signed && goes.Root.Digest != im.Digest() {
		root, src, err := im.Root(ctx)
		if err != nil {
			return err
		}
		whole, err := p.signatures.check(ctx, im, src, root)
		if err != nil {
			return err
		}
		if whole.State == imagesign.Signed {
			v = whole
		}
	}
	p.signatures.enter(im, v)
	p.signatures.pushed[goes] = v
	return p.checkReferrers(ctx, im, goes)
}

// checkReferrers checks the signatures of referrers that are container images: anybody could have tied an
// image of his own to one that is signed.
func (p *pusher) checkReferrers(ctx context.Context, im *source.Image, goes *image.Image) error {
	s := p.signatures
	for _, r := range goes.Referrers {
		j, err := r.Judge(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && j.Kind == image.Artifact {
			continue
		}
		v, err := s.check(ctx, im, r.Source, r.Root)
		if err != nil {
			return err
		}
		s.referrers++
		if v.State != imagesign.Signed {
			s.unsigned = append(s.unsigned, fmt.Sprintf("%s, an image that is a referrer of %s: %s",
				r.Root.Digest, terminal.Quote(im.Label), v.Reason))
		}
	}
	return nil
}

// reportPushed enters the signature of an image into the result.
func (p *pusher) reportPushed(t upload.Target, shown *report.Image) {
	if p.signatures == nil {
		return
	}
	if v := p.signatures.pushed[t.Image]; v != nil {
		shown.Signature = reportedSignature(v)
	}
}

// signed refuses to push if an image is not signed that has to be. Without --require-signature it says which.
func (p *pusher) signed() error {
	if p.signatures == nil {
		return nil
	}
	if p.Bool("require-signature") {
		return p.signatures.fault("nothing is sent")
	}
	for _, u := range p.signatures.unsigned {
		p.note("note: not signed by %s: %s", p.signatures.wanted(), u)
	}
	return nil
}
