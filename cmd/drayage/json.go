package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// printJSON prints a result as one JSON document.
func (e *environment) printJSON(v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := controls.WriteString(e.stdout, b.String())
	return err
}

// controls escapes the control characters that JSON allows as they are but some terminals obey.
var controls = func() *strings.Replacer {
	var pairs []string
	for r := rune(0x7f); r <= 0x9f; r++ {
		pairs = append(pairs, string(r), fmt.Sprintf(`\u%04x`, r))
	}
	return strings.NewReplacer(pairs...)
}()
