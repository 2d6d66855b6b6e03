package hostile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"drayage/internal/imagetest"
)

// manifests are manifest.json that are none. CONFIG and GOOD stand for what would be right.
func manifests() (all []Archive) {
	for _, m := range [][2]string{
		{"null", "null"}, {"an empty list", "[]"}, {"a list of null", "[null]"}, {"an object", "{}"}, {"empty", ""},
		{"cut off", `[{"Config":"CONFIG","Lay`},
		{"Config a number", `[{"Config":1,"RepoTags":["a:1"],"Layers":[]}]`},
		{"Layers a text", `[{"Config":"CONFIG","Layers":"layer0/layer.tar"}]`},
		{"Layers of null", `[{"Config":"CONFIG","Layers":[null,null]}]`},
		{"no Config", `[{"Layers":["layer0/layer.tar","layer1/layer.tar"]}]`},
		{"something behind it", `GOOD{"x":1}`},
		{"Config twice",
			`[{"Config":"other.json","RepoTags":["hostile:1"],"Layers":["layer0/layer.tar","layer1/layer.tar"],"Config":"CONFIG"}]`},
	} {
		all = append(all, refused(46, "manifest.json: "+m[0], func(im *image) {
			im.manifest = []byte(strings.NewReplacer("CONFIG", im.Config, "GOOD",
				string(imagetest.Encode([]item{im.item}))).Replace(m[1]))
		}))
	}
	all = append(all, taken(46, "manifest.json: a byte order mark", func(im *image) {
		im.manifest = append([]byte("\xef\xbb\xbf"), imagetest.Encode([]item{im.item})...)
	}))
	return append(all, Archive{Case: 46, Name: "manifest.json is missing", make: func() []byte {
		return imagetest.Pack(newImage().members...)
	}})
}

func giants() []Archive {
	return []Archive{
		{Case: 47, Name: "manifest.json of a gigabyte", size: 1<<30 + 2048, make: func() []byte {
			return head("manifest.json", 1<<30)
		}},
		{Case: 47, Name: "a configuration of a gigabyte", size: 1<<30 + 1<<20, make: func() []byte {
			im := newImage()
			im.drop(im.Config)
			raw := im.pack()
			return append(raw[:len(raw)-1024], head(im.Config, 1<<30)...)
		}},
		refused(47, "100000 brackets", func(im *image) { im.manifest = bytes.Repeat([]byte("["), 100_000) }),
		refused(47, "a configuration of 100000 brackets", func(im *image) {
			im.reconfigure(bytes.Repeat([]byte("["), 100_000))
		}),
		refused(47, "65000 images", func(im *image) {
			im.manifest = imagetest.Encode(slices.Repeat([]item{{Config: "absent.json", RepoTags: []string{"a:1"},
				Layers: []string{}}}, 65_000))
		}),
		refused(47, "a million layers", func(im *image) {
			im.Layers = slices.Repeat([]string{layer0}, 1_000_000)
		}),
		refused(47, "five million images that are nothing", func(im *image) {
			im.manifest = crowd("[", "{}", 5_000_000, "]")
		}),
		refused(47, "five million layers without names", func(im *image) {
			im.manifest = crowd(`[{"Config":"`+im.Config+`","Layers":[`, `""`, 5_000_000, "]}]")
		}),
		taken(47, "a tag of 2 MiB", func(im *image) { im.RepoTags = []string{strings.Repeat("a", 2<<20)} }),
		refused(47, "two million steps of a build that are nothing", func(im *image) {
			im.reconfigure(crowd(`{"history":[`, "{}", 2_000_000, "]}"))
		}),
		refused(47, "a million diff IDs that are nothing", func(im *image) {
			im.reconfigure(crowd(`{"rootfs":{"diff_ids":[`, `""`, 1_000_000, "]}}"))
		}),
	}
}

// crowd is a document with very many values in it.
func crowd(before, value string, n int, behind string) []byte {
	return []byte(before + strings.Repeat(value+",", n-1) + value + behind)
}

// crowded is an image before and behind which there are very many small files, all of it in gzip. Names are
// filled up to a length.
func crowded(name string, taken bool, n, length int) Archive {
	return Archive{Case: 55, Name: name + ", in gzip", Taken: taken, make: func() []byte {
		return changed(func(im *image) {
			image := im.members
			im.members = nil
			for i := range n {
				if i == n/2 {
					im.members = append(im.members, image...)
				}
				m := imagetest.Entry{Name: fmt.Sprint("m", i)}
				m.Name += strings.Repeat("x", max(length-len(m.Name), 0))
				if length > 0 {
					m.Body = "content"
				}
				im.members = append(im.members, m)
			}
			im.zipped = true
		})
	}}
}

func texts() []Archive {
	return []Archive{
		taken(55, "a tag with an escape sequence", func(im *image) {
			im.RepoTags = []string{"hostile:1\x1b[2J"}
		}),
		taken(55, "a tag with a newline", func(im *image) { im.RepoTags = []string{"hostile:1\nroot:x"} }),
		refused(55, "a missing layer whose name is an escape sequence", func(im *image) {
			im.Layers[0] = "\x1b]0;evil\x07"
		}),
		taken(55, "labels with escape sequences", func(im *image) {
			im.reconfigure(bytes.Replace(im.config, []byte(`"config":{`),
				[]byte(`"config":{"Labels":{"a\u001b[2J":"\u0007\u0000\n"}`), 1))
		}),
		taken(55, "names that are not UTF-8", func(im *image) { im.add("\xff\xfe\x01", []byte("x")) }),
		taken(55, "100000 entries", func(im *image) {
			for i := range 100_000 {
				im.members = append(im.members, imagetest.Entry{Name: fmt.Sprint("m", i)})
			}
		}),
		crowded("199000 entries with content", true, 199_000, 60),
		crowded("140000 entries with long names", true, 140_000, 99),
		crowded("250000 entries", false, 250_000, 0),
		crowded("190000 entries with too long names", false, 190_000, 99),
	}
}
