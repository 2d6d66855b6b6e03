package dockerarchive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
)

// oldLayer is a layer directory as Docker saved it before 1.10.
func oldLayer(id, parent, content string) []entry {
	if parent != "" {
		parent = fmt.Sprintf(`"parent":%q,`, parent)
	}
	description := fmt.Sprintf(
		`{"id":%q,%s"created":"2015-04-05T06:07:08.5Z","container_config":{"Cmd":["make","%s"]},"docker_version":"1.9.1","os":"linux","Size":1}`, id, parent, id)
	return []entry{dir(id + "/"), file(id+"/VERSION", "1.0"), file(id+"/json", description),
		file(id+"/layer.tar", content)}
}

func repositories(s string) entry { return file("repositories", s) }

// old is an archive of a base, named, two images on it, one named twice and one not at all, and one of a
// layer of its own.
var old = slices.Concat(oldLayer("base", "", layerA), oldLayer("app", "base", layerB),
	oldLayer("spare", "base", layerB), oldLayer("alone", "", layerB), []entry{
		repositories(`{"registry:5000/team/app":{"latest":"app","1":"app"},"base":{"1":"base"}}`),
	})

func TestV1Archive(t *testing.T) {
	got, err := images(archive(t, old...))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, im := range got {
		line := strings.Join(im.Names, " ") + ":"
		for _, l := range im.Layers {
			content, err := io.ReadAll(l.Open())
			if err != nil || digest.FromBytes(content) != l.DiffID {
				t.Errorf("%s: %v", l.Path, err)
			}
			line += " " + l.Path
		}
		lines = append(lines, line)
		if im.ID != digest.FromBytes(im.Config) {
			t.Errorf("%s: ID %s", line, im.ID)
		}
	}
	want := []string{
		"docker.io/library/base:1: base/layer.tar",
		"registry:5000/team/app:1 registry:5000/team/app:latest: base/layer.tar app/layer.tar",
		": alone/layer.tar", ": base/layer.tar spare/layer.tar",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	history := func(id string) string {
		return `{"created":"2015-04-05T06:07:08.5Z","created_by":"make ` + id + `"}`
	}
	config := `{"container_config":{"Cmd":["make","app"]},"created":"2015-04-05T06:07:08.5Z","docker_version":"1.9.1","history":[` + history("base") + "," + history("app") +
		`],"os":"linux","rootfs":{"type":"layers","diff_ids":["` + idA.String() + `","` + idB.String() + `"]}}`
	if diff := cmp.Diff(config, string(got[1].Config)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// TestV1ArchiveForms has what else such archives may look like: each is the image of app.
func TestV1ArchiveForms(t *testing.T) {
	want, err := images(archive(t, old...))
	if err != nil {
		t.Fatal(err)
	}
	base, app := oldLayer("base", "", layerA), oldLayer("app", "base", layerB)
	both := slices.Concat(base, app)
	dotted := func(all []entry) (renamed []entry) {
		for _, e := range all {
			e.Name = "./" + e.Name
			renamed = append(renamed, e)
		}
		return renamed
	}
	zip := string(gz(t, nil, []byte(layerA)))
	for name, all := range map[string][]entry{
		"without repositories": both,
		"top first":            slices.Concat(app, base),
		"with ./":              dotted(both),
		"no VERSION":           {base[2], base[3], app[2], app[3]},
		"empty repositories":   with(both, repositories("{}")),
		"repositories null":    with(both, repositories("null")),
		"a layer that is a link": {base[2], link("base/layer.tar", "../x.tar"), file("x.tar", layerA), app[2],
			app[3]},
		"a layer that is a hard link": {base[2], hard("base/layer.tar", "x"), file("x", layerA), app[2], app[3]},
		"a compressed layer":          {base[2], file("base/layer.tar", zip), app[2], app[3]},
		"equal entries twice":         slices.Concat(both, both),
		"other files": with(both, file("readme", ""), file("a/b/json", ""), file("c/other", ""),
			file("json", ""), file("VERSION", "")),
	} {
		got, err := images(archive(t, all...))
		if err != nil || len(got) != 1 || got[0].ID != want[1].ID || len(got[0].Layers) != 2 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestV1ArchiveRefuses(t *testing.T) {
	base, app := oldLayer("base", "", layerA), oldLayer("app", "base", layerB)
	both := slices.Concat(base, app)
	deep := func(n int) (all []entry) {
		for i := range n {
			parent := ""
			if i > 0 {
				parent = fmt.Sprint("l", i-1)
			}
			all = append(all, oldLayer(fmt.Sprint("l", i), parent, "")...)
		}
		return all
	}
	if got, err := images(archive(t, deep(1024)...)); err != nil || len(got) != 1 || len(got[0].Layers) != 1024 {
		t.Errorf("1024 layers: %v", err)
	}
	broken := dockerarchive.ErrIntegrity
	for name, c := range map[string]struct {
		all  []entry
		word string
		is   error
	}{
		"a parent that is not there": {app, `"app" stands on "base", which is not there`, broken},
		"a layer on itself":          {oldLayer("a", "a", layerA), `"a" stands on itself`, broken},
		"a circle that nothing stands on": {slices.Concat(both, oldLayer("a", "b", layerA),
			oldLayer("b", "a", layerB)), `"a" stands on itself`, broken},
		"a circle below a layer": {slices.Concat(oldLayer("a", "b", layerA),
			oldLayer("b", "c", layerB), oldLayer("c", "b", layerB)), `"b" stands on itself`, broken},
		"1025 layers": {deep(1025), "1024", nil},
		"no layer.tar": {with(app, base[1], base[2]), `layer "base" has no content`,
			broken},
		"no json": {with(app, base[1], base[3]), `layer "base" has no description`,
			broken},
		"only VERSION": {with(both, file("x/VERSION", "1.0")),
			`layer "x" has no description`, broken},
		"json that is none": {with(app, file("base/json", "{"), base[3]), `"base/json"`,
			broken},
		"json that is null": {with(app, file("base/json", "null"), base[3]),
			`"base/json" describes no layer`, broken},
		"json of 8 MiB and more": {with(app, file("base/json", "{}"+strings.Repeat(" ", 8<<20)),
			base[3]), "8388608", broken},
		"two json": {with(both, file("base/json", "{}")), "ambiguous", broken},
		"a layer that is a directory": {with(app, base[2], dir("base/layer.tar")),
			`layer "base" has no content`, broken},
		"a layer that is a link to the outside": {with(app, base[2], link("base/layer.tar", "/etc/passwd")),
			`layer "base" has no content`, broken},
		"a compressed layer that is cut off": {with(app, base[2],
			file("base/layer.tar", string(gz(t, nil, []byte(layerA)))[:100])),
			`layer "base": it cannot be decompressed (gzip)`, broken},
		"a name of nothing": {with(both, repositories(`{"a":{"1":"x"}}`)),
			`layer "x", which is named "a:1", is not there`, broken},
		"a name of a layer by another way": {with(both, repositories(`{"a":{"1":"./app"}}`)), `layer "./app"`,
			broken},
		"a name that is none": {with(both, repositories(`{"A":{"1":"app"}}`)), `"A:1"`, nil},
		"an empty tag":        {with(both, repositories(`{"a":{"":"app"}}`)), `"a:"`, nil},
		"one name for two": {with(both,
			repositories(`{"a":{"1":"app"},"docker.io/library/a":{"1":"base"}}`)), "ambiguous", nil},
		"two tags of one name": {with(both, repositories(`{"a":{"1":"base","1":"app"}}`)),
			`repositories is ambiguous: "1"`, broken},
		"two parents": {with(app, file("base/json", `{"id":"base","parent":"x","parent":""}`),
			base[3]), `"parent" stands twice`, broken},
		"repositories, not JSON":    {with(both, repositories("x")), "repositories:", nil},
		"repositories, a list":      {with(both, repositories("[]")), "repositories:", nil},
		"repositories, a directory": {with(both, dir("repositories")), "repositories", nil},
	} {
		got, err := images(archive(t, c.all...))
		if err == nil || !strings.Contains(err.Error(), c.word) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %d images, %v; want %q", name, len(got), err, c.word)
		}
	}
}

// TestV1ArchiveHoldsLittle checks that small archives cannot make their reader hold much or take long.
func TestV1ArchiveHoldsLittle(t *testing.T) {
	big := strings.Repeat(layerA, 8<<20/len(layerA))
	shared := []entry{file("x", big)}
	for i := range 5_000 {
		shared = append(shared, file(fmt.Sprint(i, "/json"), "{}"), hard(fmt.Sprint(i, "/layer.tar"), "x"))
	}
	if got, err := images(archive(t, shared...)); err != nil || len(got) != 5_000 {
		t.Errorf("a layer of 8 MiB that 5,000 images share: %d, %v", len(got), err)
	}

	words := strings.Repeat("x", 7<<20)
	long := []entry{file("x", layerA)}
	for i := range 8 {
		long = append(long, file(fmt.Sprint(i, "/json"), fmt.Sprintf(`{"parent":"%d","comment":%q}`, i-1, words)),
			hard(fmt.Sprint(i, "/layer.tar"), "x"))
	}
	long[1].Body = fmt.Sprintf(`{"comment":%q}`, words)
	if _, err := images(archive(t, long...)); err == nil || !strings.Contains(err.Error(), `image "7"`) {
		t.Errorf("a history of 56 MiB: %v", err)
	}

	var many []entry
	var chain []string
	for i := range 1_001 {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint("l", i-1)
		}
		many = append(many, oldLayer(fmt.Sprint("l", i), parent, "")...)
		chain = append(chain, fmt.Sprintf(`"%d":"l%d"`, i, i))
	}
	if _, err := images(archive(t,
		with(many, repositories(`{"a":{`+strings.Join(chain, ",")+`}}`))...)); err == nil ||
		!strings.Contains(err.Error(), "configurations") {
		t.Errorf("1,001 images of up to as many layers: %v", err)
	}
}

func TestV1ArchiveStops(t *testing.T) {
	r, err := open(archive(t, old...))
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := r.Images(ctx); !errors.Is(err, reason) {
		t.Errorf("%v, want the cause of the context", err)
	}
}
