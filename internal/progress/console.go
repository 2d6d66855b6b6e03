//go:build !windows

package progress

import "os"

// knowsEscapes reports whether the terminal obeys escape sequences.
func knowsEscapes(*os.File) bool { return true }
