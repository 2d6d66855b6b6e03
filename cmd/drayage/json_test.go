package main

import (
	"bytes"
	"strings"
	"testing"

	"drayage/internal/report"
)

// JSON may hold what 8-bit terminals take for commands; escaped, it is the same JSON.
func TestJSONIsSafeForTerminals(t *testing.T) {
	var b bytes.Buffer
	e := newEnvironment(nil, nil, &b, nil)
	e.json, e.document = true, &report.Document{Source: "\u009b31m\u007f <&> é \x1b"}
	if err := e.printDocument(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if want := "\n  \"source\": \"\\u009b31m\\u007f <&> é \\u001b\"\n}\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("%q", b.String())
	}
}
