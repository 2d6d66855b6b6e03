package registry

import (
	"fmt"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A subject that is no digest has no list of referrers. The manifest is stored all the same.
func TestSubjectWithoutADigest(t *testing.T) {
	inBubble(t, func(w *world) {
		config := w.reg.PutBlob("app", []byte("{}"))
		for _, subject := range []string{"", "x", "md5:x", "sha256:short"} {
			raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"a/b","digest":%q,`+
				`"size":2},"layers":[],"subject":{"digest":%q}}`, v1.MediaTypeImageManifest, config.Digest, subject)
			err := w.repo("app").Pusher().PutManifest(w.Context(), "1", v1.MediaTypeImageManifest, raw)
			if err != nil {
				w.Errorf("%q: %v", subject, err)
			}
		}
		if got := len(w.reg.Requests("PUT", "/manifests/")); got != 4 {
			w.Errorf("%d manifests were stored", got)
		}
	})
}
