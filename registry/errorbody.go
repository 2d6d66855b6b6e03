package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// errorItem is what an error says of itself: a registry's, and one as token servers and clouds write it.
type errorItem struct {
	Code        word `json:"code"`
	Error       word `json:"error"`
	Type        word `json:"__type"`
	Message     word `json:"message"`
	Description word `json:"error_description"`
	Details     word `json:"details"`
}

func (i errorItem) parts() (code, message string) {
	code = string(cmp.Or(i.Code, i.Error, i.Type))
	message = string(cmp.Or(i.Message, i.Description, i.Details))
	return printable(code, 64), printable(message, 300)
}

// tells reports whether drayage knows what to do about an error. Of several errors such a one counts.
func (i errorItem) tells() bool {
	code, _ := i.parts()
	return begins(code, limitCodes) || begins(code, passingCodes) || begins(code, absentCodes)
}

// parseErrorBody reads the body of an error
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes), or makes the best of
// a body that is something else.
func parseErrorBody(contentType string, raw []byte) (code, message string) {
	var body struct {
		errorItem
		Errors json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(raw, &body) == nil {
		var list []errorItem
		if json.Unmarshal(body.Errors, &list) == nil && len(list) > 0 {
			return list[max(slices.IndexFunc(list, errorItem.tells), 0)].parts()
		}
		return body.parts()
	}
	if strings.Contains(contentType, "html") {
		return "", "the answer is a web page" + title(raw) + ", not a registry's: is this address a registry, " +
			"or does a proxy or login page stand in front of it?"
	}
	if found := storageError.FindSubmatch(raw); found != nil {
		return printable(string(found[1]), 64), printable(html.UnescapeString(string(found[2])), 300)
	}
	return "", printable(string(raw), 200)
}

// storageError matches what object stores answer in XML.
var storageError = regexp.MustCompile(`(?s)<Error>.*?<Code>([^<]*)</Code>\s*(?:<Message>([^<]*)</Message>)?`)

var titlePattern = regexp.MustCompile(`(?is)<title>(.*?)</title>`)

// title is what a web page calls itself. The error page of a proxy gives its reason there.
func title(page []byte) string {
	found := titlePattern.FindSubmatch(page)
	if found == nil {
		return ""
	}
	return fmt.Sprintf(" (%q)", printable(html.UnescapeString(string(found[1])), 100))
}

// printable makes foreign text safe for a terminal and a single line.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		if b.Len() >= limit {
			b.WriteString("...")
			break
		}
		if r == '\n' || r == '\t' {
			r = ' '
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
