package rebuild

import "io"

// A base is unpacked on one core, while it is hashed and written on another. What is between the two takes
// half a MiB.
const (
	aheadPieces = 4
	aheadPiece  = 128 << 10
)

// ahead reads a stream in a goroutine of its own.
type ahead struct {
	free chan []byte
	full chan filled
	stop chan struct{}

	now  []byte // the buffer that is being read
	left []byte // of it
	err  error  // what comes behind that
}

type filled struct {
	buffer []byte
	n      int
	err    error
}

// newAhead begins to read r. The caller closes the result, and before that makes r end if it may wait for
// something. Nobody else reads r.
func newAhead(r io.Reader) *ahead {
	a := &ahead{
		free: make(chan []byte, aheadPieces), full: make(chan filled, aheadPieces), stop: make(chan struct{}),
	}
	for range aheadPieces {
		a.free <- make([]byte, aheadPiece)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.full)
	for {
		select {
		case <-a.stop:
			return
		case buffer := <-a.free:
			f := filled{buffer: buffer}
			for f.n < len(buffer) && f.err == nil {
				var n int
				n, f.err = r.Read(buffer[f.n:])
				f.n += n
			}
			if a.full <- f; f.err != nil { // it has room for all
				return
			}
		}
	}
}

// Read implements [io.Reader].
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.left) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.now != nil {
			a.free <- a.now
		}
		f := <-a.full
		a.now, a.left, a.err = f.buffer, f.buffer[:f.n], f.err
	}
	n := copy(p, a.left)
	a.left = a.left[n:]
	return n, nil
}

// Close waits until the stream is not read any more.
func (a *ahead) Close() {
	close(a.stop)
	for range a.full {
		continue
	}
}
