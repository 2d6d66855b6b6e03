package transfer_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"drayage/internal/transfer"
)

func TestWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := iotest.TestReader(transfer.WithContext(ctx, strings.NewReader("content")),
		[]byte("content")); err != nil {
		t.Error(err)
	}
	r := transfer.WithContext(ctx, iotest.OneByteReader(strings.NewReader("content")))
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	reason := errors.New("the user has gone")
	cancel(reason)
	if got, err := io.ReadAll(r); len(got) != 0 || err != reason {
		t.Errorf("%q, %v after the end of the context", got, err)
	}
}
