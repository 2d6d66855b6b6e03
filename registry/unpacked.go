package registry

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Every request asks for bytes as they are stored. Some proxies compress them all the same, and others say of
// bytes that are stored compressed that they have been compressed for the way.

func saysGzip(h http.Header) bool {
	encoding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
	return encoding == "gzip" || encoding == "x-gzip"
}

var gzipMagic = []byte{0x1f, 0x8b}

// unpacked is the body of an answer in JSON without the compression that nobody asked for. What is no gzip,
// or larger than limit, comes back as it is.
func unpacked(h http.Header, raw []byte, limit int64) []byte {
	if !saysGzip(h) || !bytes.HasPrefix(raw, gzipMagic) {
		return raw
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw
	}
	text, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil || int64(len(text)) > limit {
		return raw
	}
	return text
}

// unpackBlob makes the body of an answer that of the blob d. The size tells whether it was compressed for the
// way. Where no size comes, a blob that is gzip itself is taken as it comes.
func unpackBlob(resp *http.Response, d v1.Descriptor) error {
	n := resp.ContentLength
	if resp.StatusCode != http.StatusOK || !saysGzip(resp.Header) || n == d.Size ||
		n < 0 && strings.Contains(d.MediaType, "gzip") {
		return nil
	}
	buffered := bufio.NewReader(resp.Body)
	body := struct {
		io.Reader
		io.Closer
	}{buffered, resp.Body}
	if magic, _ := buffered.Peek(len(gzipMagic)); bytes.Equal(magic, gzipMagic) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			resp.Body.Close()
			return err
		}
		body.Reader, resp.ContentLength = z, -1
	}
	resp.Body = body
	return nil
}
