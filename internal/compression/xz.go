package compression

import (
	"errors"
	"fmt"
	"io"

	"github.com/therootcompany/xz"
)

// maxDictionary bounds what an xz stream can make the decoder allocate; it is what xz -9 needs.
const maxDictionary = 64 << 20

func openXz(r io.Reader) (io.ReadCloser, error) {
	z, err := xz.NewReader(r, maxDictionary)
	if err != nil {
		return nil, xzError(err)
	}
	return io.NopCloser(xzReader{z}), nil
}

// xzReader returns the errors that readers of other formats do.
type xzReader struct{ z *xz.Reader }

// Read implements io.Reader.
func (x xzReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := x.z.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, xzError(err)
}

func xzError(err error) error {
	switch {
	case errors.Is(err, xz.ErrBuf):
		return io.ErrUnexpectedEOF
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("its dictionary has more than the %d MiB that are accepted", maxDictionary>>20)
	}
	return err
}
