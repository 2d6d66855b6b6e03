package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/opencontainers/go-digest"

	"drayage/image"
)

// Codes of errors (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes). The
// ranges and the number are distribution's.
const (
	codeBlobUnknown     = "BLOB_UNKNOWN"
	codeDigestInvalid   = "DIGEST_INVALID"
	codeManifestInvalid = "MANIFEST_INVALID"
	codeManifestUnknown = "MANIFEST_UNKNOWN"
	codeNameInvalid     = "NAME_INVALID"
	codeNameUnknown     = "NAME_UNKNOWN"
	codeRangeInvalid    = "RANGE_INVALID"
	codeUnsupported     = "UNSUPPORTED"
	codeNumberInvalid   = "PAGINATION_NUMBER_INVALID"
	codeUnknown         = "UNKNOWN"
)

// problem is an answer that says why there is no other.
type problem struct {
	status  int
	code    string
	message string
	cause   error // what is wrong here and not with the request; or nil
}

func nameUnknown(name string) *problem {
	text := fmt.Sprintf("there is no repository %.300q here", name)
	return &problem{http.StatusNotFound, codeNameUnknown, text, nil}
}

func nameInvalid(name string) *problem {
	text := fmt.Sprintf("%.300q cannot be a repository", name)
	return &problem{http.StatusBadRequest, codeNameInvalid, text, nil}
}

// lacking is the answer to who asks for a blob or manifest that could not be found or read.
func lacking(code, what string, err error) *problem {
	var absent image.Absent
	switch {
	case errors.As(err, &absent) && !absent.IsFault():
		return &problem{http.StatusNotFound, code, what + " is not here: " + reason(absent), absent}
	case errors.Is(err, fs.ErrNotExist):
		return &problem{http.StatusNotFound, code, what + " is not here", nil}
	case errors.Is(err, image.ErrIntegrity):
		return &problem{http.StatusInternalServerError, codeUnknown, what + " is damaged here", err}
	}
	return &problem{http.StatusInternalServerError, codeUnknown, what + " cannot be read here", err}
}

// reason says why something is absent on purpose.
func reason(a image.Absent) string {
	switch a.Reason {
	case image.LeftOut:
		return "it was left out, because the destination was known to have it"
	case image.OtherPlatform:
		return "it belongs to a platform that was not saved"
	}
	text := "it is a foreign layer, which the source need not have"
	for i, u := range a.Descriptor.URLs {
		if i == 0 {
			text += fmt.Sprintf("; its manifest says that %.300q has it", u)
		}
	}
	return text
}

// lacking looks for what explains that a blob is not here.
func (x *exchange) lacking(code, what string, d digest.Digest, err error) *problem {
	if absent, is := x.registry.foreign.absent(d); is && errors.Is(err, fs.ErrNotExist) {
		err = absent
	}
	return lacking(code, what, err)
}
