package forecast_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/forecast"
)

func blob(name string, size int64) v1.Descriptor {
	return v1.Descriptor{Digest: digest.FromString(name), Size: size}
}

// summary is that of two images with a common base. A part of the second image is there.
func summary() *forecast.Summary {
	t := &forecast.Table{}
	base := image.Move{Blob: blob("base", 30_000_000)}
	t.Add("docker.io/library/a:1", []forecast.Part{{Label: "linux/amd64", Moves: []image.Move{
		base, {Blob: blob("a", 5_000_000), There: 1_000_000, Again: 4}}}})
	t.Add("b:1", []forecast.Part{{Label: "linux/arm64", Moves: []image.Move{
		base, {Blob: blob("b", 700), There: 700}, {Blob: blob("plain", 2_000_000), Plain: true},
		{Blob: blob("left", 300), There: 300, LeftOut: true},
		{Blob: blob("lost", 200), LeftOut: true, Lacking: true},
	}}})
	return &forecast.Summary{Table: t, Rate: 1_000_000}
}

func TestEachBlobCountsOnce(t *testing.T) {
	s := summary()
	want := forecast.Row{Total: 37_001_200, There: 1_001_000, Move: 34_000_004, LeftOut: 200, Plain: 2_000_000,
		PlainLayers: 1}
	if s.Sum != want || s.Blobs != 6 || len(s.Lacking) != 1 || s.Largest != 30_000_000 {
		t.Errorf("%+v, %d blobs, %d lacking, largest %d", s.Sum, s.Blobs, len(s.Lacking), s.Largest)
	}
	r := s.Images[1].Rows[0]
	if r.Shared != 30_000_000 || r.There != 1000 || r.Move != 0 || r.Total != 32_001_200 {
		t.Errorf("%+v", r)
	}
	d := s.Document()
	if d.Seconds != 34 || d.ToMoveBytes != s.Sum.Move || d.Lacking[0] != blob("lost", 0).Digest {
		t.Errorf("%+v", d)
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for _, width := range []int{40, 80, 0} {
		lines := summary().Lines(width)
		limit := width
		if width == 0 {
			limit = 80
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > limit {
				t.Errorf("%d columns of %d: %q", n, limit, l)
			}
		}
		text := strings.Join(lines, "\n")
		for _, part := range []string{"docker.io/library/a:1", "linux/arm64", "TO MOVE", "35.0 MB", "34.0 MB",
			"sum: 37.0 MB in 6 blobs", "1 layer, 2.0 MB before compression", "time: less than 36.0 s",
			"missing: 200 B in 1 blob"} {
			if !strings.Contains(text, part) {
				t.Errorf("%d columns: no %q in\n%s", width, part, text)
			}
		}
	}
}
