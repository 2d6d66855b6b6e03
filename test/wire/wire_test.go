package wire_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// A registry that lists referrers itself is believed, and its tag not looked at. (Those without the API are
// in the interop tests.)
func TestReferrersAPI(t *testing.T) {
	subject, signature := digest.FromString("subject"), digest.FromString("signature")
	answers := map[string]string{
		"/v2/app/referrers/" + subject.String(): `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex +
			`","manifests":[{"digest":"` + signature.String() + `","size":7}]}`,
		"/v2/app/referrers/" + signature.String(): `{"schemaVersion":2,"manifests":[]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		if !ok {
			t.Errorf("asked for %s", r.URL)
		}
		w.Write([]byte(body))
	}))
	defer server.Close()
	repo := &wire.Repository{URL: server.URL, Name: "app"}
	got, err := repo.Referrers(t.Context(), subject)
	if err != nil || len(got) != 1 || got[0].Digest != signature {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := repo.Referrers(t.Context(), signature); err == nil {
		t.Errorf("what does not say that it is an index was taken for one: %v", got)
	}
}
