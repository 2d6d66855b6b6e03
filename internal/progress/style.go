package progress

import (
	"os"
	"runtime"

	"drayage/internal/guide"
)

// Style is how progress is shown.
type Style string

// The styles of a [Meter], and Auto, which means one of them.
const (
	Auto  Style = "auto"
	Bar   Style = "bar"   // a status line below the text
	Plain Style = "plain" // a line of text now and then
	JSON  Style = "json"  // a JSON object a line
	None  Style = "none"
)

// CheckStyle returns an error for users who have typed no style.
func CheckStyle(text string) error {
	return guide.Choice("progress", text)
}

// Choose returns the style that Auto means: on a terminal Bar, unless the terminal can only scroll.
func (s Style) Choose(terminal bool) Style {
	switch {
	case s != "" && s != Auto:
		return s
	case terminal && !scrollsOnly():
		return Bar
	}
	return Plain
}

// scrollsOnly reports whether the environment says that output goes to a log, or that the terminal moves no
// cursor.
func scrollsOnly() bool {
	if ci := os.Getenv("CI"); ci != "" && ci != "false" && ci != "0" {
		return true
	}
	kind, set := os.LookupEnv("TERM")
	return kind == "dumb" || kind == "" && (set || runtime.GOOS != "windows")
}
