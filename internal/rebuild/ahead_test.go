package rebuild

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestAhead(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{0, 1, aheadPiece - 1, aheadPiece, aheadPiece + 1, 9*aheadPiece + 7} {
		content := bytes.Repeat([]byte("0123456789abc"), size/13+1)[:size]
		for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, broken} {
			a := newAhead(io.MultiReader(iotest.HalfReader(bytes.NewReader(content)), iotest.ErrReader(end)))
			got, err := io.ReadAll(a)
			if end == io.EOF {
				end = nil
			}
			if err != end || !bytes.Equal(got, content) {
				t.Errorf("%d bytes and %v: %d bytes and %v", size, end, len(got), err)
			}
			a.Close()
		}
	}
}

// A reader that has had enough leaves nothing behind, which TestMain sees.
func TestAheadIsLeft(t *testing.T) {
	for _, n := range []int{0, 1, aheadPiece, 3 * aheadPiece} {
		a := newAhead(zeros{})
		if _, err := io.ReadFull(a, make([]byte, n)); err != nil {
			t.Error(err)
		}
		a.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
