package workplace

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestFullDiskIsTold(t *testing.T) {
	full, other := fmt.Errorf("im: %w", syscall.ENOSPC), errors.New("im: no such image")
	const want = "im: no space left on device; the layout is as it was, and drayage gc im may make room for " +
		"a new index.json"
	if err := unchanged("im", full); err.Error() != want || !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := unchanged("im", other); err != other {
		t.Error(err)
	}
}
