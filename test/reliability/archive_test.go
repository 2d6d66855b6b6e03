//go:build linux

package reliability

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/imagetest"
)

var archiveCases = []trouble{
	{42, "names with ../, absolute, with drive letters or backslashes",
		"extracts nothing by name, because content gets its digest as name; refuses a name outside the archive", "",
		[]fault{
			{name: "in unreferenced entries", local: true, run: takes(func(a *archive) {
				for _, name := range []string{"../../evil", "/tmp/drayage-evil", `C:\evil`, `..\..\evil`} {
					a.add(imagetest.Entry{Name: name, Body: "evil"})
				}
			})},
			{name: "in Config", local: true, run: refuses(func(a *archive) {
				a.image.Config = "../../../../etc/passwd"
			})},
			{name: "in Layers", local: true, run: refuses(func(a *archive) { a.image.Layers[0] = "/etc/passwd" })},
			{name: "in RepoTags", local: true, run: leavesOutNames(func(a *archive) {
				a.image.RepoTags = []string{"../../evil:1"}
			})},
		}},
	{43, "chains and loops of links, links to outside or to directories",
		"follows links only within the archive, and only so many", "", []fault{
			{name: "the links that docker writes", local: true, run: takes(func(a *archive) {
				a.link("layer0/layer.tar", tar.TypeSymlink, "../real/layer.tar", "real/layer.tar")
			})},
			{name: "hard link", local: true, run: takes(func(a *archive) {
				a.link("layer0/layer.tar", tar.TypeLink, "real/layer.tar", "real/layer.tar")
			})},
			{name: "loop", local: true, run: refuses(func(a *archive) {
				a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar", Type: tar.TypeSymlink,
					Link: "../loop"})
				a.add(imagetest.Entry{Name: "loop", Type: tar.TypeSymlink, Link: "layer0/layer.tar"})
			})},
			{name: "to outside", local: true, run: refuses(linkTo("../../../../../etc/passwd"))},
			{name: "absolute", local: true, run: refuses(linkTo("/etc/passwd"))},
			{name: "to a directory", local: true, run: refuses(func(a *archive) {
				a.add(imagetest.Entry{Name: "dir/", Type: tar.TypeDir})
				linkTo("../dir")(a)
			})},
			{name: "a chain of a thousand", local: true, run: refuses(func(a *archive) {
				linkTo("../link0")(a)
				for i := range 1000 {
					a.add(imagetest.Entry{Name: fmt.Sprint("link", i), Type: tar.TypeSymlink, Link: fmt.Sprint("link", i+1)})
				}
				a.add(imagetest.Entry{Name: "link1000", Body: string(a.img.tars[0])})
			})},
		}},
	{44, "devices, pipes and directories", "refuses them in place of a layer, and ignores them elsewhere", "",
		[]fault{
			{name: "device as a layer", local: true, run: refuses(kindOf(tar.TypeChar))},
			{name: "pipe as a layer", local: true, run: refuses(kindOf(tar.TypeFifo))},
			{name: "directory as a layer", local: true, run: refuses(kindOf(tar.TypeDir))},
			{name: "beside the image", local: true, run: takes(func(a *archive) {
				a.add(imagetest.Entry{Name: "null", Type: tar.TypeChar})
				a.add(imagetest.Entry{Name: "pipe", Type: tar.TypeFifo})
			})},
		}},
	{45, "a name that stands twice", "takes equal content, refuses different content", "", []fault{
		{name: "the same layer", local: true, run: takes(func(a *archive) {
			a.add(imagetest.Entry{Name: "layer0/layer.tar", Body: string(a.img.tars[0])})
		})},
		{name: "another layer", local: true, run: refuses(func(a *archive) {
			a.add(imagetest.Entry{Name: "layer0/layer.tar", Body: string(a.img.tars[1])})
		})},
		{name: "another layer as ./layer", local: true, run: refuses(func(a *archive) {
			a.add(imagetest.Entry{Name: "./layer0/layer.tar", Body: string(a.img.tars[1])})
		})},
		{name: "another manifest.json", local: true, run: refuses(func(a *archive) {
			a.add(imagetest.Entry{Name: "manifest.json", Body: "[]"})
		})},
		{name: "another configuration", local: true, run: refuses(func(a *archive) {
			a.add(imagetest.Entry{Name: a.image.Config, Body: "{}"})
		})},
	}},
	{46, "manifest.json missing, null, of wrong types, or with something after its end",
		"says what is wrong with it; never crashes", "", manifestFaults()},
	{47, "manifest.json of a gigabyte, deeply nested, with very many images or layers",
		"reads up to a bound, in little memory", "", []fault{
			{name: "a gigabyte", local: true, run: giantManifest},
			{name: "a hundred thousand brackets", local: true, run: refuses(func(a *archive) {
				a.manifest = bytes.Repeat([]byte("["), 100_000)
			})},
			{name: "65000 images", local: true, run: refuses(func(a *archive) {
				a.manifest = imagetest.Encode(slices.Repeat([]savedImage{{Config: "absent.json",
					RepoTags: []string{"a:1"},
					Layers:   []string{}}}, 65000))
			})},
			{name: "a million layers", local: true, run: refuses(func(a *archive) {
				a.manifest = imagetest.Encode([]savedImage{{Config: a.image.Config, RepoTags: a.image.RepoTags,
					Layers: slices.Repeat([]string{"layer0/layer.tar"}, 1_000_000)}})
			})},
		}},
	{48, "a layer that is listed twice; one file for two diff IDs", "takes the first; refuses the second", "",
		[]fault{
			{name: "the same layer twice", local: true, run: twiceTheSame},
			{name: "one file for two diff IDs", local: true, run: refuses(func(a *archive) {
				a.image.Layers[1] = a.image.Layers[0]
			})},
		}},
	{49, "layer or configuration missing, more or fewer layers than diff IDs",
		"refuses it and names what is missing", "", []fault{
			{name: "layer missing", local: true, run: refuses(func(a *archive) { a.drop("layer1/layer.tar") })},
			{name: "configuration missing", local: true, run: refuses(func(a *archive) { a.drop(a.image.Config) })},
			{name: "a layer too few", local: true, run: refuses(func(a *archive) {
				a.image.Layers = a.image.Layers[1:]
			})},
			{name: "a layer too many", local: true, run: refuses(func(a *archive) {
				a.image.Layers = append(a.image.Layers, a.image.Layers[0])
			})},
			{name: "no layers where there are diff IDs", local: true, run: refuses(func(a *archive) {
				a.image.Layers = nil
			})},
		}},
	{50, "a layer whose diff ID is wrong, a configuration whose name is not its digest",
		"refuses it before it sends a manifest", "", []fault{
			{name: "a bit of a layer", local: true, run: refuses(func(a *archive) {
				wrong := bytes.Clone(a.img.tars[1])
				wrong[700] ^= 1
				a.replace("layer1/layer.tar", imagetest.Entry{Name: "layer1/layer.tar", Body: string(wrong)})
			})},
			{name: "a bit of the configuration", local: true, run: refuses(func(a *archive) {
				wrong := bytes.Replace(a.img.config, []byte(`"linux"`), []byte(`"linuX"`), 1)
				a.replace(a.image.Config, imagetest.Entry{Name: a.image.Config, Body: string(wrong)})
			})},
		}},
}

// archive is a tar of docker save in the making.
type archive struct {
	img      *image
	image    savedImage
	files    []imagetest.Entry
	manifest []byte // in place of what image says; may be nil
	absent   bool   // there is no manifest.json
}

func newArchive(t *try) *archive {
	a := &archive{img: newImage("archive", 20<<10, 10<<10)}
	a.image = savedImage{Config: a.img.configDigest().Encoded() + ".json",
		RepoTags: []string{"docker.io/library/app:1"}}
	a.add(imagetest.Entry{Name: a.image.Config, Body: string(a.img.config)})
	for i, plain := range a.img.tars {
		name := fmt.Sprintf("layer%d/layer.tar", i)
		a.image.Layers = append(a.image.Layers, name)
		a.add(imagetest.Entry{Name: name, Body: string(plain)})
	}
	return a
}

func (a *archive) add(e imagetest.Entry) { a.files = append(a.files, e) }

func (a *archive) replace(name string, by imagetest.Entry) {
	a.files[slices.IndexFunc(a.files, func(e imagetest.Entry) bool { return e.Name == name })] = by
}

func (a *archive) drop(name string) {
	a.files = slices.DeleteFunc(a.files, func(e imagetest.Entry) bool { return e.Name == name })
}

// link moves a layer elsewhere and leaves a link.
func (a *archive) link(name string, kind byte, target, real string) {
	a.files = slices.Insert(a.files, 0, imagetest.Entry{Name: real, Body: string(a.img.tars[0])})
	a.replace(name, imagetest.Entry{Name: name, Type: kind, Link: target})
}

func (a *archive) bytes() []byte {
	files := a.files
	if a.manifest == nil {
		a.manifest = imagetest.Encode([]savedImage{a.image})
	}
	if !a.absent {
		files = append(files, imagetest.Entry{Name: "manifest.json", Body: string(a.manifest)})
	}
	return imagetest.Pack(files...)
}

func linkTo(target string) func(*archive) {
	return func(a *archive) {
		a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar", Type: tar.TypeSymlink,
			Link: target})
	}
}

func kindOf(kind byte) func(*archive) {
	return func(a *archive) {
		a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar", Type: kind})
	}
}

// takes checks that a changed archive is still the image that it was.
func takes(change func(*archive)) func(*try) {
	return func(t *try) {
		a := newArchive(t)
		change(a)
		t.taken(a.bytes(), a.img)
	}
}

func (t *try) taken(raw []byte, img *image) {
	t.write("in/image.tar", raw)
	before := t.files("..")
	t.must("verify", "in/image.tar")
	t.must("save", "in/image.tar", "-o", "out.tar")
	t.savedAs("out.tar", img)
	s := t.registry()
	t.must("push", "in/image.tar", s.ref("app:1"))
	t.arrived(s, "app", "1", img)
	t.nothingNew(before)
}

// refuses checks that a changed archive is refused by whatever reads it.
func refuses(change func(*archive), says ...string) func(*try) {
	return func(t *try) {
		a := newArchive(t)
		change(a)
		t.refused(a.bytes(), says...)
	}
}

// wrongOrLarge are the codes for a layer that nobody here can unpack: verify calls it bad.
var wrongOrLarge = []int{exitOther, exitIntegrity}

// refusesWith is for what is refused though no byte is wrong.
func refusesWith(codes []int, change func(*archive)) func(*try) {
	return func(t *try) {
		a := newArchive(t)
		change(a)
		t.write("in/image.tar", a.bytes())
		t.refusedFileWith(codes)
	}
}

// leavesOutNames is for archives whose images have names that are none: the image goes where it is told to,
// and a note names what is left out.
func leavesOutNames(change func(*archive)) func(*try) {
	return func(t *try) {
		a := newArchive(t)
		change(a)
		t.write("in/image.tar", a.bytes())
		before := t.files("..")
		s := t.registry()
		for _, args := range [][]string{
			{"push", "in/image.tar", s.ref("app:1")}, {"verify", "in/image.tar"},
		} {
			r := t.run(args...)
			t.bounded(r)
			obeyed := strings.ContainsAny(r.stderr, "\x1b\x00\x07")
			if r.code != 0 || !strings.Contains(r.stderr, "note: ") || obeyed {
				t.Errorf("%v: exit %d: %q", args, r.code, r.stderr)
			}
		}
		t.nothingNew(before)
	}
}

func (t *try) refused(raw []byte, says ...string) {
	t.write("in/image.tar", raw)
	t.refusedFile(says...)
}

// refusedFile has the archive in in/image.tar read in three ways. None may take much memory, write anything
// or publish anything.
func (t *try) refusedFile(says ...string) { t.refusedFileWith([]int{exitIntegrity}, says...) }

func (t *try) refusedFileWith(codes []int, says ...string) {
	before := t.files("..")
	s := t.registry()
	for _, args := range [][]string{
		{"push", "in/image.tar", s.ref("app:1")}, {"save", "in/image.tar", "-o", "out.tar"},
		{"verify", "in/image.tar"},
	} {
		r := t.run(args...)
		t.failed(r, codes, says...)
		t.bounded(r)
		if strings.ContainsAny(r.stderr, "\x1b\x00\x07") {
			t.Errorf("the error holds control characters: %q", r.stderr)
		}
	}
	s.unnamed("app", "1")
	if t.exists("out.tar") {
		t.Error("a tar was written")
	}
	t.nothingNew(before)
}

// nothingNew checks that no file has appeared around the working directory, but for what saves and checks
// have written.
func (t *try) nothingNew(before []string) {
	for _, name := range t.files("..") {
		base := name[strings.LastIndex(name, "/")+1:]
		if !slices.Contains(before, name) && base != "out.tar" && base != "ca.pem" &&
			!strings.HasPrefix(base, "check") && !strings.Contains(name, "cache/") {
			t.Errorf("a file has appeared: %s", name)
		}
	}
	if _, err := os.Lstat("/tmp/drayage-evil"); err == nil {
		t.Error("a file was written to an absolute name")
	}
}

func manifestFaults() (all []fault) {
	for name, raw := range map[string]string{
		"null": "null", "a list of null": "[null]", "an object": "{}", "a text": `"x"`, "a number": "1",
		"empty": "", "cut": `[{"Config":"a`,
		"no image": "[]", "Config a number": `[{"Config":1,"RepoTags":["a:1"],"Layers":[]}]`,
		"Layers a text":       `[{"Config":"CONFIG","RepoTags":["a:1"],"Layers":"x"}]`,
		"Layers of null":      `[{"Config":"CONFIG","RepoTags":["a:1"],"Layers":[null,null]}]`,
		"no Config":           `[{"RepoTags":["a:1"],"Layers":[]}]`,
		"something behind it": `MANIFEST {"x":1}`,
		"UTF-16":              "[\x00]\x00",
		"Config twice":        `[{"Config":"CONFIG","Config":"CONFIG","RepoTags":["a:1"],"Layers":["layer0/layer.tar","layer1/layer.tar"]}]`,
		"Config and config":   `[{"Config":"CONFIG","config":"CONFIG","RepoTags":["a:1"],"Layers":["layer0/layer.tar","layer1/layer.tar"]}]`,
	} {
		all = append(all, fault{name: name, local: true, run: refuses(func(a *archive) {
			good := string(imagetest.Encode([]savedImage{a.image}))
			a.manifest = []byte(strings.ReplaceAll(strings.ReplaceAll(raw, "CONFIG", a.image.Config), "MANIFEST",
				good))
		})})
	}
	slices.SortFunc(all, func(a, b fault) int { return strings.Compare(a.name, b.name) })
	all = append(all, fault{name: "missing", local: true, run: refuses(func(a *archive) {
		a.absent = true
	}, "manifest.json|docker save|image")})
	return append(all, fault{name: "Docker's format before 1.10, with parts missing", local: true,
		run: refuses(func(a *archive) {
			a.absent = true
			a.add(imagetest.Entry{Name: "repositories", Body: `{"app":{"1":"abc"}}`})
		}, "layer0/json")})
}

// giantManifest has a manifest.json that takes no room on the disk.
func giantManifest(t *try) {
	var b bytes.Buffer
	must(tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: 1 << 30}))
	t.write("in/image.tar", b.Bytes())
	must(os.Truncate(t.path("in/image.tar"), 1<<30+2048))
	t.refusedFile("manifest.json")
}

func twiceTheSame(t *try) {
	a := newArchive(t)
	var config map[string]any
	must(json.Unmarshal(a.img.config, &config))
	id := digest.FromBytes(a.img.tars[0])
	config["rootfs"] = map[string]any{"type": "layers", "diff_ids": []digest.Digest{id, id}}
	img := &image{config: imagetest.Encode(config), tars: [][]byte{a.img.tars[0], a.img.tars[0]},
		layers: [][]byte{a.img.layers[0], a.img.layers[0]}}
	a.drop(a.image.Config)
	a.image = savedImage{Config: img.configDigest().Encoded() + ".json", RepoTags: a.image.RepoTags,
		Layers: []string{"layer0/layer.tar", "layer0/layer.tar"}}
	a.add(imagetest.Entry{Name: a.image.Config, Body: string(img.config)})
	t.taken(a.bytes(), img)
}
