// Package kind gives errors a kind that callers can match and that their text does not repeat: who reads "the
// layout holds no image" needs no ": not found" behind it.
package kind

import "fmt"

// Errorf is fmt.Errorf for an error that matches kind too. The text does not show the kind.
func Errorf(kind error, format string, args ...any) error {
	return &of{fmt.Errorf(format, args...), kind}
}

type of struct {
	error
	kind error
}

// Unwrap returns what the text wraps, and the kind.
func (e *of) Unwrap() []error { return []error{e.error, e.kind} }
