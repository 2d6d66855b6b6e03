package image_test

import (
	"errors"
	"fmt"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
)

// What a tree has forgotten can be read again, and counts once against the limit.
func TestForgottenManifestsCountOnce(t *testing.T) {
	store := imagetest.NewStore()
	var all []v1.Descriptor
	for i := range 3 {
		all = append(all, imagetest.Image{Labels: map[string]string{"n": fmt.Sprint(i)}}.Put(store.Put))
	}
	tree := image.NewTree(store, image.Policy{Tolerant: true, MaxManifests: 2})
	for range 3 {
		if err := tree.Read(t.Context(), all[:2]...); err != nil {
			t.Fatal(err)
		}
		for _, d := range all[:2] {
			if n := tree.Node(d); n == nil || n.Err != nil {
				t.Fatalf("%s: %+v", d.Digest, n)
			}
		}
		tree.Forget(all[:2])
		if n := tree.Node(all[0]); n != nil {
			t.Fatalf("%s is still there", all[0].Digest)
		}
	}
	if err := tree.Read(t.Context(), all[2]); err != nil {
		t.Fatal(err)
	}
	if n := tree.Node(all[2]); n == nil || !errors.Is(n.Err, image.ErrTooMany) {
		t.Errorf("beyond the limit: %+v", n)
	}
}
