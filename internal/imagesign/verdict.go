package imagesign

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/terminal"
)

// State says in a word what is known of the signatures of an image.
type State string

// The states. All but the first are those of images that no given key has signed. Where several are true, the
// one that stands here first counts.
const (
	Signed     State = "signed"
	OtherImage State = "other-image" // a given key has signed another image, whose signature stands here
	Void       State = "void"        // what should be a signature cannot be one
	OtherKey   State = "other-key"   // no given key has made it, or it has been changed
	Attested   State = "attested"    // a given key has signed an attestation, but not the image
	Keyless    State = "keyless"     // signed with a certificate
	Unchecked  State = "unchecked"   // a signature of a kind that is not checked here
	Unsigned   State = "unsigned"    // there is no signature
)

// Verdict is what is known of the signatures of an image.
type Verdict struct {
	State     State
	Keys      []*Key   // that have signed it, in the order in which they were given
	Manifests int      // that are signed, where the index that names the image is not
	Names     []string // that the image had when it was signed, as far as signatures tell; nobody compares them
	Reason    string   // why the image is not signed
}

// By names the keys that have signed the image.
func (v *Verdict) By() string {
	if v.Manifests > 0 {
		return fmt.Sprintf("%s (each of %s)", names(v.Keys), terminal.Count(v.Manifests, "manifest"))
	}
	return names(v.Keys)
}

// verdict judges a manifest, and what is below it if it is an index.
func (f *found) verdict(b below) *Verdict {
	v := &Verdict{Names: f.names}
	switch {
	case len(f.signers) > 0:
		v.State, v.Keys = Signed, f.signers
	case b.index && b.whole:
		v.State, v.Keys, v.Manifests = Signed, b.keys, b.all
	default:
		v.State, v.Reason = f.why()
		if b.index && b.signed > 0 {
			v.Reason += fmt.Sprintf("; signed manifests in its index: %d of %d", b.signed, b.all)
		}
	}
	return v
}

// why says why an image is not signed.
func (f *found) why() (state State, reason string) {
	var reasons []string
	add := func(s State, n int, format string, args ...any) {
		if n == 0 {
			return
		}
		if state == "" {
			state = s
		}
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	add(OtherImage, len(f.elsewhere), "%s", first(f.elsewhere))
	add(Void, len(f.void), "%s: %s", counted(len(f.void), "void signature"), first(f.void))
	add(OtherKey, f.others, "%s by another key, or changed since", counted(f.others, "signature"))
	add(Attested, len(f.attested), "%s attests to it and does not sign it", names(f.attested))
	add(Keyless, f.keyless, "%s with a certificate (keyless), which cosign verifies",
		counted(f.keyless, "signature"))
	add(Unchecked, len(f.unlike), "not checked: %s", first(f.unlike))
	add(Unsigned, max(0, 1-len(reasons)), "no signature is here")
	return state, strings.Join(reasons, "; ")
}

func counted(n int, what string) string { return terminal.Count(n, what) }

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// names lists keys for a message.
func names(keys []*Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Name)
	}
	return strings.Join(all, ", ")
}

// unite lists the keys that are in either list, in the order in which they were given.
func (c *Checker) unite(some, others []*Key) (all []*Key) {
	for _, k := range c.keys {
		if slices.Contains(some, k) || slices.Contains(others, k) {
			all = append(all, k)
		}
	}
	return all
}

// below is what is known of the manifests of an index.
type below struct {
	index, whole bool // whole: all are signed, and there is one
	signed, all  int  // manifests; a signed index counts as one
	keys         []*Key
}

// add adds what is known of an entry of the index. The counts are for people, and stop where nobody reads on.
func (b *below) add(under below) {
	b.whole = b.whole && under.whole
	b.signed = min(b.signed+under.signed, limits.Manifests)
	b.all = min(b.all+under.all, limits.Manifests)
}

// covers counts the signed manifests at and below d. An index of nothing has nothing that is signed.
func (c *Checker) covers(ctx context.Context, t *image.Tree, d v1.Descriptor, depth int) (below, error) {
	f, err := c.look(ctx, d.Digest)
	if err != nil {
		return below{}, err
	}
	b := below{index: image.IsIndex(d.MediaType), all: 1}
	switch {
	case len(f.signers) > 0:
		b.signed, b.whole, b.keys = 1, true, f.signers
		return b, nil
	case !b.index || depth > limits.Depth:
		return b, nil
	case f.below != nil:
		return *f.below, nil
	}
	n, err := t.Manifest(ctx, d)
	if ctx.Err() != nil {
		return b, context.Cause(ctx)
	}
	if err == nil && len(n.Document.Manifests) > 0 {
		b.all, b.whole = 0, true
		for _, child := range n.Document.Manifests {
			under, err := c.covers(ctx, t, child, depth+1)
			if err != nil {
				return b, err
			}
			b.add(under)
			b.keys = c.unite(b.keys, under.keys)
		}
	}
	f.below = &b
	return b, nil
}
