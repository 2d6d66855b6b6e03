package layout_test

import (
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"

	"drayage/layout"
)

func TestBlobsListsWhatIsThere(t *testing.T) {
	d := digest.FromString("blob")
	l, err := layout.New(fstest.MapFS{
		"oci-layout":                    {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		"blobs/sha256/" + d.Encoded():   {Data: []byte("blob")},
		"blobs/sha256/not-a-digest":     {Data: []byte("x")},
		"blobs/md5/" + d.Encoded()[:32]: {Data: []byte("x")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Blobs()
	if err != nil || len(got) != 1 || got[0].Digest != d || got[0].Size != 4 {
		t.Errorf("%v, %v", got, err)
	}
}
