package volume_test

import (
	"testing"

	"drayage/internal/volume"
)

// A volume under another name is known even if its first block is damaged: another block tells.
func TestMisnamedAndDamaged(t *testing.T) {
	for name, to := range map[string]string{"other name": "copy of a file", "swapped": "x.tar.002"} {
		c := carry(t, content(5*mib+77))
		c.flip("x.tar.001", 5)
		if name == "swapped" {
			c.rename("x.tar.002", "swap")
			c.rename("x.tar.001", to)
			c.rename("swap", "x.tar.001")
		} else {
			c.rename("x.tar.001", to)
		}
		h := c.find().Found()
		s := h.States[0]
		if s.Condition != volume.Damaged || s.File != c.path(to) || !s.Misnamed {
			t.Errorf("%s: %+v", name, s)
		}
		if name == "swapped" && h.States[1].File != c.path("x.tar.001") {
			t.Errorf("%s: %+v", name, h.States[1])
		}
	}
}
