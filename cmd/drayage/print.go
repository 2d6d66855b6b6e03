package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"drayage/internal/terminal"
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
	_, err := terminal.JSON.WriteString(e.stdout, b.String())
	return err
}

// printLines prints a result of lines.
func (e *environment) printLines(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(e.stdout, strings.Join(lines, "\n"))
	return err
}
