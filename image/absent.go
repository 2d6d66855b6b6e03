package image

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Part is what a blob is to its image.
type Part string

// The parts of an image.
const (
	PartManifest Part = "manifest" // or an index
	PartConfig   Part = "configuration"
	PartLayer    Part = "layer"
	PartBlob     Part = "blob"  // of an artifact
	PartPatch    Part = "patch" // or the recipe, of a layer that travels as one
)

// Reason says why a part of an image is absent.
type Reason int

// The reasons. Missing and Damaged are faults, the others are intended.
const (
	Missing       Reason = iota // nothing says why
	Damaged                     // bytes are there that are not what they should be
	ForeignLayer                // its descriptor has addresses, so it need not travel
	OtherPlatform               // it is for a platform that the engine did not have when it saved the index
	LeftOut                     // on purpose: whoever made the archive knew that the destination has it
)

// Absent is a part of an image that is not there as it should be. It is an error too.
type Absent struct {
	Part       Part
	Descriptor v1.Descriptor // a layer in a docker tar has its diff ID as the digest, if that is known
	Path       string        // in a docker tar: where it is or should be
	Reason     Reason
	DiffID     digest.Digest // of a layer that was left out, if the archive tells it
	Rebuilt    *Rebuilt      // how a layer that was left out is made again; nil if it is needed whole
	Err        error         // what is wrong; set if Reason is Damaged, and maybe if it is Missing
}

// NewFault is the absence of a part that ought to be there, after reading it has failed with err.
func NewFault(part Part, d v1.Descriptor, err error) Absent {
	a := Absent{Part: part, Descriptor: d, Reason: Damaged, Err: err}
	if errors.Is(err, fs.ErrNotExist) {
		a.Reason = Missing
	}
	return a
}

// IsFault reports whether the part ought to be there.
func (a Absent) IsFault() bool { return a.Reason == Missing || a.Reason == Damaged }

// Blob is the digest, or the quoted path of what has none.
func (a Absent) Blob() string {
	if a.Descriptor.Digest == "" {
		return strconv.Quote(a.Path)
	}
	return a.Descriptor.Digest.String()
}

// Cause says what is wrong, without naming the blob.
func (a Absent) Cause() string {
	switch {
	case a.Reason == Damaged && a.Err != nil:
		return strings.TrimPrefix(a.Err.Error(), a.Descriptor.Digest.String()+": ")
	case a.Reason == Damaged:
		return "damaged"
	case a.Reason == LeftOut && a.Rebuilt != nil:
		return "a patch of another layer, and not inside itself"
	case a.Reason == LeftOut:
		return "left out, because the destination was known to have it"
	}
	return "missing"
}

func (a Absent) Error() string { return fmt.Sprintf("%s %s: %s", a.Part, a.Blob(), a.Cause()) }

// Unwrap returns why the part is absent, if reading it has failed.
func (a Absent) Unwrap() error { return a.Err }
