package repair

import (
	"fmt"
	"strings"

	"drayage/internal/volume"
)

// Hint says what to do about volumes that are missing or bad. It is empty if nothing can be done here.
func Hint(e *volume.Error) string {
	set := e.Health.Set
	if set.Volume == 0 {
		return ""
	}
	if len(set.Parity) > 0 {
		if r, err := New(set, FoundBy(e.Health), Options{Out: "."}); err == nil && r.Lack == nil {
			return fmt.Sprintf("drayage repair %s rebuilds it", volume.SetName(set.Name))
		}
	}
	if n := e.Numbers(); len(n) > 0 {
		return "copy it again, or write it again on the near side: drayage save ... --only " + strings.Join(n, ",")
	}
	return ""
}
