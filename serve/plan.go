package serve

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const octets = "application/octet-stream"

// plan is what is sent of a blob.
type plan struct {
	parts  []part
	after  string // the parts
	status int
	header http.Header
}

// part is a part of a blob, and what is sent before it.
type part struct {
	before string
	span
}

// plan finds out what a client wants of a blob.
func (x *exchange) plan(d v1.Descriptor) (*plan, *problem) {
	p := &plan{status: http.StatusOK, parts: []part{{"", span{0, d.Size}}}, header: http.Header{}}
	p.header.Set("Content-Type", octets)
	p.header.Set("Accept-Ranges", "bytes")
	if x.req.Method == http.MethodGet { // Range has no meaning for others
		spans, err := parseRange(x.wantedRange(etag(d.Digest)), d.Size)
		switch {
		case err == errSpans:
			return nil, &problem{http.StatusBadRequest, codeUnsupported, err.Error(), nil}
		case err != nil:
			x.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", d.Size))
			return nil, &problem{http.StatusRequestedRangeNotSatisfiable, codeRangeInvalid, err.Error(), nil}
		case len(spans) > 0:
			p.divide(spans, d.Size)
		}
	}
	length := int64(len(p.after))
	for _, part := range p.parts {
		length += int64(len(part.before)) + part.length
	}
	p.header.Set("Content-Length", strconv.FormatInt(length, 10))
	return p, nil
}

// isLast reports whether the block with an offset in a part is the last one that is sent.
func (p *plan) isLast(i int, offset, block int64) bool {
	end := p.parts[i].start + p.parts[i].length
	return i == len(p.parts)-1 && (end-1)/block == offset/block
}

// wantedRange is the Range header, unless If-Range says that the client wants it of something else only.
func (x *exchange) wantedRange(tag string) string {
	if only := x.req.Header.Get("If-Range"); only != "" && only != tag {
		return ""
	}
	return x.req.Header.Get("Range")
}

// divide plans to send parts of the blob, several of them as multipart/byteranges
// (https://www.rfc-editor.org/rfc/rfc9110#section-14.6).
func (p *plan) divide(spans []span, size int64) {
	p.status, p.parts = http.StatusPartialContent, nil
	if len(spans) == 1 {
		p.header.Set("Content-Range", spans[0].contentRange(size))
		p.parts = []part{{"", spans[0]}}
		return
	}
	boundary := rand.Text()
	p.header.Set("Content-Type", "multipart/byteranges; boundary="+boundary)
	for i, s := range spans {
		before := fmt.Sprintf("--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", boundary, octets,
			s.contentRange(size))
		if i > 0 {
			before = "\r\n" + before
		}
		p.parts = append(p.parts, part{before, s})
	}
	p.after = "\r\n--" + boundary + "--\r\n"
}
