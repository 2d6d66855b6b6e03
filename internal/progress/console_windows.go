package progress

import (
	"os"

	"golang.org/x/sys/windows"
)

// knowsEscapes reports whether the console of f obeys escape sequences. It asks the console to, which those
// before Windows 10 do not do.
func knowsEscapes(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	const wanted = windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	return mode&wanted == wanted || windows.SetConsoleMode(h, mode|wanted) == nil
}
