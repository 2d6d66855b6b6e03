package meter_test

import (
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/wire"
)

func TestCounts(t *testing.T) {
	var m meter.Meter
	registry, err := registry3.Start(t.Context(), registry3.Options{Wrap: m.Wrap})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	repo := &wire.Repository{URL: registry.URL(), Name: "app"}
	content := "counted"
	dgst := digest.FromString(content)
	if _, err := repo.Blob(t.Context(), dgst); err == nil {
		t.Fatal("an empty registry has a blob")
	}
	if got, want := m.Take(), (meter.Counts{}); got != want {
		t.Errorf("after a read that found nothing: %+v", got)
	}
	if err := repo.PutBlob(t.Context(), dgst, int64(len(content)), strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	rc, err := repo.Blob(t.Context(), dgst)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, rc)
	rc.Close()
	if err := repo.PutManifest(t.Context(), "1", "application/json", []byte("{}")); err == nil {
		t.Error("the registry took an empty manifest")
	}
	if got, want := m.Take(), (meter.Counts{Reads: 1, ReadBytes: int64(len(content)), Writes: 1}); got != want {
		t.Errorf("after a write and a read: %+v, want %+v", got, want)
	}
	if got, want := m.Take(), (meter.Counts{}); got != want {
		t.Errorf("after Take: %+v", got)
	}
}
