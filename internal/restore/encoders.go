package restore

import (
	"context"
	"io"
	"slices"
	"strings"

	"drayage/internal/deflate"
)

// Encoders are those that are known, the most common ones first.
func Encoders() (all []Encoder) {
	for _, e := range deflate.Encoders() {
		headers := headersOf(e.Name())
		e.Header = headers[0]
		all = append(all, Encoder{
			Name: e.Name(), Headers: headers, Rare: rank(e.Name()) == len(common),
			Compress: func(ctx context.Context, w io.Writer, content io.Reader) error {
				return deflate.Compress(ctx, e, &behind{w: w, skip: len(e.Header)}, content)
			},
		})
	}
	slices.SortStableFunc(all, func(a, b Encoder) int { return rank(a.Name) - rank(b.Name) })
	return all
}

// common are encoders that make most layers: those of docker and BuildKit, of podman, buildah and skopeo, of
// kaniko, crane and ko, of Debian's base images, of jib and Bazel. Who sets a level mostly sets the highest.
var common = []string{
	"Go -6", "pgzip 1.15.11 -5", "pgzip 1.18.2 -5", "Go -1", "pigz -9", "zlib -6", "pgzip 1.20.4 -5",
	"Go 1.27 -6",
	"gzip -6", "pigz -6", "gzip -9", "zlib -9", "Go -9", "pgzip 1.15.0 -5", "pgzip 1.14.4 -5", "Go 1.27 -1",
}

func rank(name string) int {
	if i := slices.Index(common, name); i >= 0 {
		return i
	}
	return len(common)
}

// The systems that gzip headers name (https://www.rfc-editor.org/rfc/rfc1952#page-7).
const (
	systemFAT, systemUnix, systemUnknown = 0, 3, 255
)

// headersOf are the gzip headers that programs write which have an encoder, without name and time. Go's
// library wrote its zero time as a number before 1.8, and pgzip does so still.
func headersOf(encoder string) (all [][]byte) {
	xfl := byte(0)
	switch {
	case strings.Contains(encoder+" ", " -9 "):
		xfl = 2
	case strings.Contains(encoder+" ", " -1 "):
		xfl = 4
	}
	const zeroTime = "\x00\x09\x6e\x88"
	family, _, _ := strings.Cut(encoder, " ")
	switch family {
	case "Go":
		return [][]byte{header("\x00\x00\x00\x00", xfl, systemUnknown), header(zeroTime, xfl, systemUnknown)}
	case "pgzip", "klauspost":
		return [][]byte{header(zeroTime, xfl, systemUnknown), header("\x00\x00\x00\x00", xfl, systemUnknown)}
	}
	for _, system := range []byte{systemUnix, systemUnknown, systemFAT} {
		for _, x := range []byte{0, 2, 4} { // Python writes 2 at all levels
			if x <= 2 || x == xfl {
				all = append(all, header("\x00\x00\x00\x00", x, system))
			}
		}
	}
	if family == "pigz" { // it notes names, also without times
		for _, name := range []string{"rootfs.tar", "layer.tar"} {
			named := header("\x00\x00\x00\x00", xfl, systemUnix)
			named[3] = hasName
			all = append(all, append(named, name+"\x00"...))
		}
	}
	return all
}

// hasName is the flag of a gzip header with the name of a file.
const hasName = 8

func header(time string, xfl, system byte) []byte {
	return append([]byte("\x1f\x8b\x08\x00"+time), xfl, system)
}

// behind is a writer that leaves out what stands at the beginning.
type behind struct {
	w    io.Writer
	skip int
}

func (b *behind) Write(p []byte) (int, error) {
	n := min(b.skip, len(p))
	b.skip -= n
	if n == len(p) {
		return n, nil
	}
	m, err := b.w.Write(p[n:])
	return n + m, err
}
