package corpus

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "crypto/sha256" // for digest
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// member is an entry of a tar. A name that ends in a slash is a directory, one with a link a symbolic link
// unless kind says otherwise.
type member struct {
	name string
	body []byte
	link string
	kind byte
}

// style is how a writer fills in the headers.
type style struct {
	time   time.Time
	format tar.Format
	mode   int64 // 0: 0644, directories 0755
	owner  string
	id     int
	record map[string]string // PAX
}

// ustar is what most writers do: no owner, no time.
var ustar = style{time: time.Unix(0, 0), format: tar.FormatUSTAR}

// pack makes a tar. It cannot fail but by a mistake in this package.
func (s style) pack(members ...member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Linkname: m.link, Typeflag: m.kind, Size: int64(len(m.body)), Mode: s.mode,
			ModTime: s.time,
			Format:  s.format, Uid: s.id, Gid: s.id, Uname: s.owner, Gname: s.owner, PAXRecords: s.record}
		directory := strings.HasSuffix(m.name, "/")
		switch {
		case m.kind != 0:
		case directory:
			h.Typeflag = tar.TypeDir
		case m.link != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if s.mode == 0 {
			if h.Mode = 0o644; directory {
				h.Mode = 0o755
			}
		}
		must(w.WriteHeader(h))
		_, err := w.Write(m.body)
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// padded rounds a tar up to the 10 KiB that tar programs write at once.
func padded(raw []byte) []byte {
	const record = 10240
	return append(raw, make([]byte, (record-len(raw)%record)%record)...)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

// line is JSON as json.Encoder writes it.
func line(v any) []byte { return append(marshal(v), '\n') }

// gzipped stores bytes as one gzip member, without compressing them.
func gzipped(raw []byte) []byte { return gzipMember(raw, nil) }

// gzipMember is a gzip member with an extra field.
func gzipMember(raw, extra []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	must(err)
	w.Extra = extra
	_, err = w.Write(raw)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// zstandard stores bytes as a zstd frame of raw blocks, which says its size.
func zstandard(raw []byte) []byte {
	const maxBlock = 128 << 10
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	b = append(b, 0xA0) // single segment, four bytes of size
	b = binary.LittleEndian.AppendUint32(b, uint32(len(raw)))
	for {
		n := min(len(raw), maxBlock)
		header := uint32(n) << 3 // type 0: raw
		if n == len(raw) {
			header |= 1 // the last
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16))
		b = append(b, raw[:n]...)
		if raw = raw[n:]; len(raw) == 0 {
			return b
		}
	}
}

// skippable is a zstd frame that decoders pass over.
func skippable(raw []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x184D2A50)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(raw)))
	return append(b, raw...)
}

func hexOf(raw []byte) string { return digest.FromBytes(raw).Encoded() }
