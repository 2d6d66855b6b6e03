package restore

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// style is one way to write the manifest of an image. Tools differ in media types, in the order of keys and
// in white space, and the digest depends on all of that.
type style struct {
	oci      bool   // OCI's media types; else Docker's
	head     string // the keys before config: s is schemaVersion, m is mediaType
	config   string // the keys of the configuration's descriptor: m is mediaType, s is size, d is digest
	layer    string // those of a layer
	indent   string // one level; empty: all on one line
	newline  bool   // one stands at the end
	scratchy bool   // buildah notes that an image has no base: annotations with empty values
	epoch    string // the time that BuildKit has set all files to; it notes that in layers; empty: it has not
	since    int    // the first layer with this note; those before it are of the base image
	docker   []bool // whether a layer has Docker's media type all the same; none: no layer has
}

// Keys in the orders that tools have.
const (
	schemaFirst, typeFirst, noType = "sm", "ms", "s"
	// Docker's own order is that of distribution up to 2.8, which the libraries of podman and
	// go-containerregistry share. OCI's specification has the other one, and so have BuildKit and jib.
	dockerOrder, ociOrder, jqOrder = "msd", "mds", "sdm"
)

// styles are all that are tried. The first ones are most common: docker push, the tools of
// go-containerregistry (kaniko, crane, ko), podman and skopeo, BuildKit, jib, and Bazel's rules_oci.
var styles = func() (all []style) {
	for _, indent := range []string{"   ", "", "  "} {
		for _, order := range []string{dockerOrder, ociOrder} {
			for _, head := range []string{schemaFirst, typeFirst} {
				all = append(all,
					style{head: head, config: order, layer: order, indent: indent},
					style{oci: true, head: head, config: order, layer: order, indent: indent})
			}
			all = append(all, style{oci: true, head: noType, config: order, layer: order, indent: indent})
		}
	}
	for _, head := range []string{schemaFirst, noType} {
		all = append(all, style{oci: true, head: head, config: ociOrder, layer: ociOrder, scratchy: true})
	}
	for _, oci := range []bool{true, false} {
		all = append(all,
			style{oci: oci, head: schemaFirst, config: dockerOrder, layer: jqOrder, indent: "  ", newline: true})
	}
	return all
}()

// write returns the manifest of a configuration and layers. Of the descriptors only digest, size and, to tell
// compressed layers from plain ones, media type count.
func (s style) write(config v1.Descriptor, layers []v1.Descriptor) (raw []byte, mediaType string) {
	w := writer{indent: s.indent}
	mediaType, configType := image.DockerManifest, image.DockerConfig
	if s.oci {
		mediaType, configType = v1.MediaTypeImageManifest, v1.MediaTypeImageConfig
	}
	w.open('{')
	for _, key := range s.head {
		if key == 's' {
			w.key("schemaVersion", "2")
		} else {
			w.key("mediaType", quote(mediaType))
		}
	}
	w.name("config")
	config.MediaType = configType
	w.descriptor(s.config, config)
	w.name("layers")
	w.open('[')
	for i, l := range layers {
		of := s
		of.oci = s.oci && !(i < len(s.docker) && s.docker[i])
		l.MediaType = of.layerType(l.MediaType)
		l.Annotations = nil
		if s.epoch != "" && i >= s.since {
			l.Annotations = map[string]string{rewritten: s.epoch}
		}
		w.next()
		w.descriptor(s.layer, l)
	}
	w.close(']')
	if s.scratchy {
		w.annotations(map[string]string{v1.AnnotationBaseImageDigest: "", v1.AnnotationBaseImageName: ""})
	}
	w.close('}')
	if s.newline {
		w.WriteByte('\n')
	}
	return []byte(w.String()), mediaType
}

// layerType is the media type of a layer in the family of the style.
func (s style) layerType(of string) string {
	t := image.ParseLayerType(of)
	switch {
	case t.Compression == "" && s.oci:
		return v1.MediaTypeImageLayer
	case t.Compression == "":
		return image.DockerPlainLayer
	case t.Compression == "zstd": // Docker has no type for it
		return v1.MediaTypeImageLayerZstd
	case s.oci:
		return v1.MediaTypeImageLayerGzip
	}
	return image.DockerLayer
}

// writer writes JSON with a given indentation, as encoding/json and jq do.
type writer struct {
	strings.Builder
	indent string
	depth  int
	filled []bool // whether the open objects and lists have something in them
}

func (w *writer) open(c byte) {
	w.WriteByte(c)
	w.depth++
	w.filled = append(w.filled, false)
}

func (w *writer) close(c byte) {
	w.depth--
	filled := w.filled[w.depth]
	if w.filled = w.filled[:w.depth]; filled {
		w.line()
	}
	w.WriteByte(c)
}

// next goes to the next member of the innermost object or list.
func (w *writer) next() {
	if w.filled[w.depth-1] {
		w.WriteByte(',')
	}
	w.filled[w.depth-1] = true
	w.line()
}

func (w *writer) line() {
	if w.indent != "" {
		w.WriteByte('\n')
		w.WriteString(strings.Repeat(w.indent, w.depth))
	}
}

func (w *writer) name(key string) {
	w.next()
	w.WriteString(quote(key))
	w.WriteByte(':')
	if w.indent != "" {
		w.WriteByte(' ')
	}
}

func (w *writer) key(key, value string) {
	w.name(key)
	w.WriteString(value)
}

func (w *writer) descriptor(order string, d v1.Descriptor) {
	w.open('{')
	for _, key := range order {
		switch key {
		case 'm':
			w.key("mediaType", quote(d.MediaType))
		case 's':
			w.key("size", fmt.Sprint(d.Size))
		case 'd':
			w.key("digest", quote(d.Digest.String()))
		}
	}
	w.annotations(d.Annotations)
	w.close('}')
}

func (w *writer) annotations(of map[string]string) {
	if len(of) == 0 {
		return
	}
	w.name("annotations")
	w.open('{')
	for _, key := range slices.Sorted(maps.Keys(of)) {
		w.key(key, quote(of[key]))
	}
	w.close('}')
}

// quote makes a JSON string of what has nothing in it to escape.
func quote(s string) string { return `"` + s + `"` }

// rewritten is BuildKit's annotation of a layer whose times it has set (https://docs.docker.com/build/ci/
// github-actions/reproducible-builds: rewrite-timestamp=true).
const rewritten = "buildkit/rewritten-timestamp"

// stylesOf are all ways to write the manifest of an image with so many layers.
func stylesOf(config []byte, layers int) []style {
	all := slices.Clone(styles)
	var v v1.Image
	if json.Unmarshal(config, &v) != nil {
		return all
	}
	for i := range layers {
		if v.Created != nil {
			all = append(all, style{
				oci: true, head: schemaFirst, config: ociOrder, layer: ociOrder, indent: "  ",
				epoch: fmt.Sprint(v.Created.Unix()), since: i,
			})
		}
	}
	return append(all, classic(v.History, layers)...)
}

// classic are the manifests of docker commit and of docker build without BuildKit, in an engine with
// containerd's image store. Files that are copied become layers with Docker's media type, what a command has
// changed becomes one with OCI's, and the layers of a base image keep the type that they have.
func classic(history []v1.History, layers int) (all []style) {
	history = slices.DeleteFunc(slices.Clone(history), func(h v1.History) bool { return h.EmptyLayer })
	if len(history) != layers {
		return nil
	}
	copied := make([]bool, layers)
	for i, h := range history {
		copied[i] = strings.Contains(h.CreatedBy, "#(nop) COPY") || strings.Contains(h.CreatedBy, "#(nop) ADD")
	}
	for base := range layers {
		for _, docker := range []bool{false, true} {
			of := slices.Clone(copied)
			for i := range base {
				of[i] = docker
			}
			all = append(all, style{
				oci: true, head: typeFirst, config: ociOrder, layer: ociOrder, indent: "    ", docker: of,
			})
		}
	}
	return slices.CompactFunc(all, func(a, b style) bool { return slices.Equal(a.docker, b.docker) })
}

// matching returns the manifest over layers whose digest is among the wanted ones.
func matching(
	styles []style, config v1.Descriptor, layers []v1.Descriptor, wanted func(digest.Digest) bool,
) (Manifest, bool) {
	if slices.ContainsFunc(layers, func(d v1.Descriptor) bool { return d.Digest == "" }) {
		return Manifest{}, false
	}
	for _, s := range styles {
		raw, mediaType := s.write(config, layers)
		if d := digest.FromBytes(raw); wanted(d) {
			return Manifest{Raw: raw, MediaType: mediaType}, true
		}
	}
	return Manifest{}, false
}
