package makepatch

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// A layer whose files can be fetched one by one is called by the name that people know.
func TestPieces(t *testing.T) {
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayerZstd,
		Annotations: map[string]string{chunkedNote: "sha256:1"}}
	if got := reason(d); got != Chunked {
		t.Errorf("zstd:chunked is %q", got)
	}
	d.MediaType, d.Annotations = v1.MediaTypeImageLayerGzip, map[string]string{stargzNote: "sha256:1"}
	if one := newTarget(nil, d); !one.stargz || one.outcome.Reason != "" {
		t.Errorf("eStargz: %+v", one)
	}
}

// A layer goes whole if its patch makes something else. A full disk and the end of a run say nothing about
// the patch: they are errors of the run.
func TestConclude(t *testing.T) {
	for name, err := range map[string]error{"a full disk": syscall.ENOSPC, "the end": context.Canceled} {
		w := &work{target: &target{}}
		if got := w.conclude(image.Absent{}, err); !errors.Is(got, err) || w.outcome.Reason != "" {
			t.Errorf("%s: %v, and the layer goes whole: %q", name, got, w.outcome.Reason)
		}
	}
	w := &work{target: &target{}}
	err := w.conclude(image.Absent{}, verify.Mismatchf("it is something else"))
	if err != nil || w.outcome.Reason != Failed || !strings.Contains(w.outcome.Cause, "something else") {
		t.Errorf("%v, %+v", err, w.outcome)
	}
	if w.outcome.Patch != nil {
		t.Error("a wrong patch is used")
	}
	w = &work{target: &target{}}
	if err := w.conclude(image.Absent{}, nil); err != nil || w.outcome.Patch == nil {
		t.Errorf("%v, %+v", err, w.outcome)
	}
}
