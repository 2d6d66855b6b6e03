package dockerarchive

import (
	"fmt"
	"testing"
)

func TestNamesAreEnteredOnce(t *testing.T) {
	for _, n := range []int{1, fewNames, fewNames + 1, 100} {
		var s names
		for round, isNew := range []bool{true, false} {
			for i := range n {
				if s.add(fmt.Sprint("name", i)) != isNew {
					t.Errorf("%d names, round %d: name %d is new: %v", n, round, i, !isNew)
				}
			}
		}
	}
}

// Nearly all sets have one name.
func TestOneNameTakesLittle(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		var s names
		s.add("docker.io/library/alpine:3.20")
	}); n > 1 {
		t.Errorf("one name is allocated in %.0f pieces", n)
	}
}
