package serve

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// spansOf is the part of the answer that says which bytes were sent.
func spansOf(t *testing.T, r *httptest.ResponseRecorder) (spans []string, bodies [][]byte) {
	t.Helper()
	kind, params, _ := mime.ParseMediaType(r.Header().Get("Content-Type"))
	if kind != "multipart/byteranges" {
		return []string{r.Header().Get("Content-Range")}, [][]byte{r.Body.Bytes()}
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if err == io.EOF {
			return spans, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		spans, bodies = append(spans, p.Header.Get("Content-Range")), append(bodies, body)
	}
}

// likeGo compares the answer to a Range header with that of net/http.
func likeGo(t *testing.T, content []byte, header string) {
	t.Helper()
	s := newContent()
	d := s.Put("", content)
	root := s.Put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	images := []Image{{Names: []string{"r:1"}, Root: root}}
	reg := New(NewCatalog([]Shelf{{Content: s, Images: images}}), Options{})
	req := httptest.NewRequest(http.MethodGet, "/v2/r/blobs/"+d.Digest.String(), nil)
	req.Header.Set("Range", header)
	got, want := httptest.NewRecorder(), httptest.NewRecorder()
	reg.ServeHTTP(got, req)
	want.Header().Set("Content-Type", octets)
	http.ServeContent(want, req, "", time.Time{}, bytes.NewReader(content))
	if got.Code != want.Code {
		t.Fatalf("%q of %d bytes: %d, not %d", header, len(content), got.Code, want.Code)
	}
	if got.Code >= http.StatusBadRequest {
		return
	}
	if n := fmt.Sprint(got.Body.Len()); got.Header().Get("Content-Length") != n {
		t.Fatalf("%q: Content-Length of %s bytes is %s", header, n, got.Header().Get("Content-Length"))
	}
	spans, bodies := spansOf(t, got)
	wantSpans, wantBodies := spansOf(t, want)
	if !slices.Equal(spans, wantSpans) || !slices.EqualFunc(bodies, wantBodies, bytes.Equal) {
		t.Fatalf("%q of %d bytes: %q, not %q", header, len(content), spans, wantSpans)
	}
}

// unlikeGo reports whether net/http reads a header otherwise. It takes signs, spaces beside a dash and ranges
// of no bytes, and refuses units that it does not know and numbers that are too large. Of a range that begins
// behind the content it does not read the end, so that may be before the beginning.
func unlikeGo(header string) bool {
	ranges, known := strings.CutPrefix(header, "bytes=")
	if !known || strings.Trim(ranges, "0123456789-, ") != "" || strings.Count(ranges, ",") >= maxSpans {
		return true
	}
	for one := range strings.SplitSeq(ranges, ",") {
		one = strings.TrimSpace(one)
		if strings.Contains(one, " ") || strings.Count(one, "-") > 1 ||
			strings.HasPrefix(one, "-") && strings.Trim(one, "-0") == "" {
			return true
		}
		from, to, _ := strings.Cut(one, "-")
		first, _ := parsePosition(from)
		last, ended := parsePosition(to)
		if len(from) > 18 || len(to) > 18 || from != "" && ended && first > last {
			return true
		}
	}
	return false
}

func TestRangesLikeGo(t *testing.T) {
	large := bytesOf(3*leastBlock+5, 1)
	for _, header := range []string{"", "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-1000000", "bytes=5-3",
		"bytes=393000-393220", "bytes=393221-", "bytes=393220-", "bytes=131071-131072", "bytes=131072-262143",
		"bytes=", "bytes=,", "bytes=0-1,3-4", "bytes=0-1, 3-4,", "bytes=0-9,5-20", "bytes=0-,0-", "bytes=1",
		"bytes=a-b", "bytes=-", "bytes=--1", "bytes=0-1,900000-", "bytes=900000-,800000-", "bytes=4-1,0-1",
		"bytes=200000-300000,0-5,131072-131072", "bytes=0-0,393220-393220", "bytes=0-393219,0-393220"} {
		if header != "" && !unlikeGo(header) {
			likeGo(t, large, header)
			likeGo(t, []byte("0123456789"), header)
		}
	}
}

func TestRanges(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	content := bytesOf(3*leastBlock+5, 1)
	d := s.Put("", content).Digest
	many := strings.Repeat("0-0,", maxSpans)
	for _, c := range []struct {
		header, ifRange string
		status          int
		contentRange    string
	}{
		{"bytes=5-9", "", 206, "bytes 5-9/393221"},
		{"bytes=5-99999999999999999999", "", 206, "bytes 5-393220/393221"},
		{"bytes=-99999999999999999999", "", 206, "bytes 0-393220/393221"},
		{"bytes=-0", "", 416, "bytes */393221"},
		{"bytes=393221-", "", 416, "bytes */393221"},
		{"bytes=9-5", "", 416, "bytes */393221"},
		{"bytes=0-1,900000-5", "", 416, "bytes */393221"}, // net/http takes the first of both
		{"bytes=+5-9", "", 416, "bytes */393221"},
		{"bytes=0--00", "", 416, "bytes */393221"}, // net/http reads -00 as a number
		{"items=5-9", "", 200, ""},                 // RFC 9110: a unit that is unknown
		{"bytes=5-9", etag(d), 206, "bytes 5-9/393221"},
		{"bytes=5-9", `"other"`, 200, ""},
		{"bytes=5-9", "W/" + etag(d), 200, ""}, // it has to be a strong one
		{"bytes=5-9", "Wed, 21 Oct 2015 07:28:00 GMT", 200, ""},
		{"bytes=" + many[:len(many)-1], "", 206, ""},
		{"bytes=" + many + "0-0", "", 400, ""}, // stargz-snapshotter asks one by one then
	} {
		header := []string{"Range", c.header}
		if c.ifRange != "" {
			header = append(header, "If-Range", c.ifRange)
		}
		r := tr.blob(t, d, header...)
		if r.StatusCode != c.status || r.Header.Get("Content-Range") != c.contentRange || r.err != nil {
			t.Errorf("%.50q: %s, %q, %v", header, r.Status, r.Header.Get("Content-Range"), r.err)
		}
		if r.StatusCode >= 400 {
			r.failure(t)
		}
		if r.StatusCode == 200 && r.body != string(content) {
			t.Errorf("%q: wrong bytes", header)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, header := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-1,3-4", "bytes=9-5", "bytes=a",
		"items=1-2", "bytes=99999999999999999999-", "bytes=,,-", "bytes=0-,-5"} {
		f.Add(header, 10)
		f.Add(header, 3*leastBlock+5)
	}
	content := bytesOf(4*leastBlock, 1)
	f.Fuzz(func(t *testing.T, header string, size int) {
		size = max(0, size) % (len(content) + 1)
		spans, err := parseRange(header, int64(size))
		sum := int64(0)
		for _, s := range spans {
			if s.start < 0 || s.length <= 0 || s.start+s.length > int64(size) {
				t.Fatalf("%q of %d bytes: %+v", header, size, s)
			}
			sum += s.length
		}
		if sum > int64(size) || err != nil && spans != nil {
			t.Fatalf("%q of %d bytes: %d bytes, %v", header, size, sum, err)
		}
		if size > 0 && !unlikeGo(header) { // of nothing all is sent, whatever the header says
			likeGo(t, content[:size], header)
		}
	})
}
