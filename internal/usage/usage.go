// Package usage marks errors that say that what the user asked for makes no sense. A command line answers
// them with a hint at its help.
package usage

import "fmt"

// Error says what makes no sense.
type Error struct{ message string }

// Error implements error.
func (e *Error) Error() string { return e.message }

// Errorf returns an Error. The message wraps nothing.
func Errorf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }
