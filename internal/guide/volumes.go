package guide

import (
	"errors"
	"strings"

	"drayage/internal/terminal"
	"drayage/internal/volume"
)

// Volumes says how to mend the volumes that an error is about, or nothing if it is about none.
func Volumes(err error) string {
	var about *volume.Error
	if !errors.As(err, &about) {
		return ""
	}
	var ways []string
	if errors.Is(err, volume.ErrMissing) {
		ways = append(ways, "--volumes DIR names a further folder")
	}
	if set := about.Health.Set; len(set.Parity) > 0 {
		ways = append(ways, "drayage repair "+terminal.ShellWord(volume.SetName(set.Name))+" rebuilds what it can")
	}
	if all := about.Numbers(); len(all) > 0 {
		ways = append(ways, "save --only "+strings.Join(all, ",")+" on the near side makes it again")
	}
	return strings.Join(ways, "; ")
}
