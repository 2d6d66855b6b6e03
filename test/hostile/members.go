package hostile

import (
	"archive/tar"
	"bytes"
	"fmt"

	"drayage/internal/imagetest"
)

const layer0 = "layer0/layer.tar"

func names() []Archive {
	return []Archive{
		taken(42, "entries named ../, absolute, with a drive", func(im *image) {
			for _, name := range []string{"../../drayage-evil", "/tmp/drayage-evil", `C:\drayage-evil`,
				`..\drayage-evil`, "a/../../drayage-evil"} {
				im.add(name, []byte("evil"))
			}
		}),
		refused(42, "Config outside the archive", func(im *image) { im.Config = "../../../../etc/passwd" }),
		refused(42, "a layer outside the archive", func(im *image) { im.Layers[0] = "/etc/passwd" }),
		refused(42, "a layer by backslashes", func(im *image) { im.Layers[0] = `layer0\layer.tar` }),
		taken(42, "a tag that is a path", func(im *image) { im.RepoTags = []string{"../../evil:1"} }),
	}
}

// linked replaces the first layer by a link.
func linked(kind byte, target string) func(*image) {
	return func(im *image) { im.put(imagetest.Entry{Name: layer0, Type: kind, Link: target}) }
}

// moved is a link to where the first layer is now.
func moved(kind byte, target string) func(*image) {
	return func(im *image) {
		im.put(imagetest.Entry{Name: layer0, Type: kind, Link: target})
		im.members = append([]imagetest.Entry{{Name: "real", Body: string(im.layers[0])}}, im.members...)
	}
}

func links() []Archive {
	return []Archive{
		taken(43, "a symbolic link to the layer", moved(tar.TypeSymlink, "../real")),
		taken(43, "a hard link to the layer", moved(tar.TypeLink, "real")),
		refused(43, "a link to itself", linked(tar.TypeSymlink, "layer.tar")),
		refused(43, "a loop of two", func(im *image) {
			linked(tar.TypeSymlink, "../other")(im)
			im.members = append(im.members, imagetest.Entry{Name: "other", Type: tar.TypeSymlink, Link: layer0})
		}),
		refused(43, "a link to /etc/passwd", linked(tar.TypeSymlink, "/etc/passwd")),
		refused(43, "a link up to /etc/passwd", linked(tar.TypeSymlink, "../../../../../../../../etc/passwd")),
		refused(43, "a hard link to /etc/passwd", linked(tar.TypeLink, "/etc/passwd")),
		refused(43, "a link to a directory", func(im *image) {
			linked(tar.TypeSymlink, "../dir")(im)
			im.members = append(im.members, imagetest.Entry{Name: "dir/", Type: tar.TypeDir})
		}),
		refused(43, "a chain of 10000 links", func(im *image) {
			linked(tar.TypeSymlink, "../l0")(im)
			for i := range 10_000 {
				im.members = append(im.members, imagetest.Entry{Name: fmt.Sprint("l", i), Type: tar.TypeSymlink,
					Link: fmt.Sprint("l", i+1)})
			}
			im.add("l10000", im.layers[0])
		}),
		refused(43, "manifest.json is a link to /etc/passwd", func(im *image) {
			im.members = append(im.members, imagetest.Entry{Name: "manifest.json", Type: tar.TypeSymlink,
				Link: "/etc/passwd"})
		}),
	}
}

func kinds() (all []Archive) {
	for _, k := range []struct {
		name string
		kind byte
	}{{"a character device", tar.TypeChar}, {"a block device", tar.TypeBlock}, {"a named pipe", tar.TypeFifo},
		{"a directory", tar.TypeDir}} {
		all = append(all, refused(44, k.name+" as a layer", linked(k.kind, "")))
		all = append(all, taken(44, k.name+" beside the image", func(im *image) {
			im.members = append(im.members, imagetest.Entry{Name: "odd", Type: k.kind})
		}))
	}
	return all
}

func duplicates() []Archive {
	evil := newImage()
	evil.reconfigure(bytes.Replace(evil.config, []byte("hostile"), []byte("HOSTILE"), 1))
	return []Archive{
		taken(45, "the same layer twice", func(im *image) { im.add(layer0, im.layers[0]) }),
		refused(45, "two layers of one name", func(im *image) { im.add(layer0, im.layers[1]) }),
		refused(45, "two layers, one with ./", func(im *image) { im.add("./"+layer0, im.layers[1]) }),
		refused(45, "two manifest.json that name two images", func(im *image) {
			im.add(evil.Config, evil.config)
			im.add("manifest.json", imagetest.Encode([]item{im.item}))
			im.manifest = imagetest.Encode([]item{evil.item})
		}).rival(),
		refused(45, "two configurations of one name", func(im *image) { im.add(im.Config, evil.config) }).rival(),
		refused(45, "a layer, and a link of its name", func(im *image) {
			im.members = append(im.members, imagetest.Entry{Name: layer0, Type: tar.TypeSymlink,
				Link: "../layer1/layer.tar"})
		}),
	}
}

func layers() []Archive {
	return []Archive{
		taken(48, "a layer that stands twice in an image", func(im *image) {
			im.Layers[1] = im.Layers[0]
			im.reconfigure(configOf(im.layers[0], im.layers[0]))
		}),
		refused(48, "one file for two diff IDs", func(im *image) { im.Layers[1] = im.Layers[0] }),
		refused(49, "a layer is missing", func(im *image) { im.drop(layer0) }),
		refused(49, "the configuration is missing", func(im *image) { im.drop(im.Config) }),
		refused(49, "more diff IDs than layers", func(im *image) { im.Layers = im.Layers[:1] }),
		refused(49, "more layers than diff IDs", func(im *image) { im.reconfigure(configOf(im.layers[0])) }),
		refused(49, "no layers where there are diff IDs", func(im *image) { im.Layers = nil }),
		taken(49, "a history of other length", func(im *image) {
			im.reconfigure(bytes.Replace(im.config, []byte(`"rootfs"`),
				[]byte(`"history":[{},{},{},{"empty_layer":true}],"rootfs"`), 1))
		}),
		refused(50, "a layer that is not its diff ID", func(im *image) {
			im.put(imagetest.Entry{Name: layer0, Body: string(layerTar("evil", 9000))})
		}),
		refused(50, "two layers that are exchanged", func(im *image) {
			im.Layers[0], im.Layers[1] = im.Layers[1], im.Layers[0]
		}),
		refused(50, "a configuration that is not its name", func(im *image) {
			im.put(imagetest.Entry{Name: im.Config, Body: string(bytes.Replace(im.config, []byte("hostile"),
				[]byte("HOSTILE"), 1))})
		}),
	}
}
