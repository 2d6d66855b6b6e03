//go:build !windows

package progress

import "os"

// KnowsEscapes reports whether the terminal obeys escape sequences.
func KnowsEscapes(*os.File) bool { return true }
