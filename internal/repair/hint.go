package repair

import (
	"fmt"
	"strings"

	"drayage/internal/terminal"
	"drayage/internal/volume"
)

// Hint says what to do about volumes that are missing or bad. It is empty if nothing can be done here.
func Hint(e *volume.Error) string {
	set := e.Health.Set
	if set.Volume == 0 || e.Health.IsForeign() {
		return ""
	}
	if len(e.Health.Faulty()) == 0 {
		return fmt.Sprintf("drayage repair %s gives volumes their names",
			terminal.ShellWord(e.Health.SetFile()))
	}
	it, another := "it", "another medium"
	if len(e.Volumes) > 1 {
		it, another = "them", "other media"
	}
	elsewhere := ""
	for _, i := range e.Volumes {
		if s := &e.Health.States[i]; s.Condition == volume.Missing && s.Instead == volume.Nothing {
			elsewhere = "from " + another + ": --volumes DIR; else "
		}
	}
	if len(set.Parity) > 0 {
		if r, err := New(set, FoundBy(e.Health), Options{Out: "."}); err == nil && r.Lack == nil {
			file := terminal.ShellWord(e.Health.SetFile())
			return fmt.Sprintf("%sdrayage repair %s rebuilds %s", elsewhere, file, it)
		}
	}
	if n := e.Numbers(); len(n) > 0 {
		return fmt.Sprintf("%scopy %s again, or write %[2]s again on the near side: drayage save ... --only %s",
			elsewhere, it, strings.Join(n, ","))
	}
	return ""
}
