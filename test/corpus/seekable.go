package corpus

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pieces are a tar of two files cut before each entry and before its end, and where the files begin.
func pieces(text string) (head [][]byte, end []byte) {
	s := style{time: created, format: tar.FormatUSTAR}
	const trailer = 1024
	for _, name := range []string{"etc/base", "opt/top"} {
		raw := s.pack(member{name: name, body: []byte(name + ", " + text)})
		head = append(head, raw[:len(raw)-trailer])
	}
	return head, make([]byte, trailer)
}

// estargz is a layer in the format of the stargz snapshotter: each file a gzip member, a file with the table
// of contents, and a footer that says where that begins.
func estargz(text string) layer {
	files, end := pieces(text)
	var plain, stored []byte
	table := `{"version":1,"entries":[`
	for i, f := range files {
		if i > 0 {
			table += ","
		}
		table += fmt.Sprintf(`{"name":%q,"type":"reg","size":%d,"offset":%d,"NumLink":1,"digest":%q}`,
			[]string{"etc/base", "opt/top"}[i], 1, len(stored), digest.FromBytes(f))
		plain, stored = append(plain, f...), append(stored, gzipped(f)...)
	}
	table += "]}"
	begin := len(stored)
	contents := style{format: tar.FormatUSTAR}.pack(member{name: "stargz.index.json", body: []byte(table)})
	contents = append(contents[:len(contents)-len(end)], end...)
	plain, stored = append(plain, contents...), append(stored, gzipped(contents)...)
	stored = append(stored, gzipMember(nil, append([]byte("SG\x16\x00"),
		fmt.Sprintf("%016xSTARGZ", begin)...))...)
	return layer{plain: plain, stored: stored, mediaType: v1.MediaTypeImageLayerGzip,
		annotations: map[string]string{
			"containerd.io/snapshot/stargz/toc.digest": digest.FromString(table).String(),
			"io.containers.estargz.uncompressed-size":  fmt.Sprint(len(plain)),
		}}
}

// chunked is a layer in the format of containers/storage: each file a zstd frame, then skippable frames with
// a list of them and with a footer.
func chunked(text string) layer {
	files, end := pieces(text)
	plain := bytes.Join(append(files, end), nil)
	var stored []byte
	for _, f := range append(files, end) {
		stored = append(stored, zstandard(f)...)
	}
	list := []byte(`{"version":1,"entries":[]}`)
	packed := zstandard(list)
	begin := len(stored) + 8
	stored = append(stored, skippable(packed)...)
	var footer []byte
	for _, n := range []int{begin, len(packed), len(list), 1, 0, 0, 0} {
		footer = binary.LittleEndian.AppendUint64(footer, uint64(n))
	}
	stored = append(stored, skippable(append(footer, "GNUlInUx"...))...)
	return layer{plain: plain, stored: stored, mediaType: v1.MediaTypeImageLayerZstd,
		annotations: map[string]string{
			"io.github.containers.zstd-chunked.manifest-checksum": digest.FromBytes(packed).String(),
			"io.github.containers.zstd-chunked.manifest-position": fmt.Sprintf("%d:%d:%d:1", begin, len(packed),
				len(list)),
		}}
}
