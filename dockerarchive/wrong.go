package dockerarchive

import "fmt"

// wrong is an error about what an archive says of itself: it matches ErrIntegrity without saying so once more.
type wrong struct{ error }

// Is implements matching for errors.Is.
func (w wrong) Is(target error) bool { return target == ErrIntegrity }

// Unwrap implements matching of what is below.
func (w wrong) Unwrap() error { return w.error }

func wrongf(format string, args ...any) error { return wrong{fmt.Errorf(format, args...)} }
