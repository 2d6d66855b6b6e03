package serve

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// maxSpans is how many parts of a blob one request may ask for. Clients that read single files of a layer ask
// for some dozens, and for one by one when they are refused.
const maxSpans = 256

// span is a part of a blob.
type span struct{ start, length int64 }

// contentRange is the header that says which part of a blob is sent.
func (s span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

// Why ranges are refused.
var (
	errSpan    = errors.New("the range cannot be read")
	errOutside = errors.New("the range is outside of the blob")
	errSpans   = fmt.Errorf("more than %d ranges in one request", maxSpans)
)

// parseRange reads a Range header for a blob of some size
// (https://www.rfc-editor.org/rfc/rfc9110#section-14.2). It returns nothing if the whole blob is to be sent:
// there is no header, its unit is unknown, the blob is empty, or the parts are more than the blob.
func parseRange(header string, size int64) (spans []span, _ error) {
	ranges, known := strings.CutPrefix(header, "bytes=")
	if !known || size == 0 {
		return nil, nil
	}
	if strings.Count(ranges, ",") >= maxSpans {
		return nil, errSpans
	}
	sum, given := int64(0), false
	for one := range strings.SplitSeq(ranges, ",") {
		if one = strings.Trim(one, " \t"); one == "" {
			continue
		}
		s, err := parseSpan(one, size)
		if err != nil {
			return nil, err
		}
		if given = true; s.length > 0 {
			spans = append(spans, s)
			sum += s.length
		}
	}
	switch {
	case len(spans) > 0 && sum <= size:
		return spans, nil
	case given && len(spans) == 0:
		return nil, errOutside
	}
	return nil, nil
}

// parseSpan reads FIRST-LAST, FIRST- or -LENGTH. It is empty if nothing of the blob is in it.
func parseSpan(text string, size int64) (span, error) {
	from, to, dash := strings.Cut(text, "-")
	first, ok := parsePosition(from)
	last, alsoOK := parsePosition(to)
	switch {
	case !dash || from != "" && !ok || to != "" && !alsoOK || from == "" && to == "":
		return span{}, errSpan
	case from == "":
		first, last = size-min(last, size), size-1
	case to == "":
		last = size - 1
	case first > last:
		return span{}, errSpan
	}
	return span{first, max(0, min(last, size-1)-first+1)}, nil
}

// parsePosition reads digits. What is too large for an int64 is as large as can be.
func parsePosition(s string) (n int64, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = (math.MaxInt64 - 9) / 10
		}
		n = 10*n + int64(c-'0')
	}
	return n, s != ""
}
