package kind_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"drayage/internal/kind"
)

func TestErrorf(t *testing.T) {
	err := fmt.Errorf("list: %w", kind.Errorf(fs.ErrNotExist, "%q holds nothing: %w", "x", io.EOF))
	if err.Error() != `list: "x" holds nothing: EOF` {
		t.Error(err)
	}
	for target, want := range map[error]bool{fs.ErrNotExist: true, io.EOF: true, fs.ErrExist: false} {
		if errors.Is(err, target) != want {
			t.Errorf("Is(%v) = %t", target, !want)
		}
	}
}
