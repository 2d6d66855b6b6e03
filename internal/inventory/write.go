package inventory

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"drayage/internal/limits"
)

// TooLargeError says that an inventory would have more bytes than Parse reads. Nothing has been written.
type TooLargeError struct{ Size int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the inventory would have %d MiB, and %d MiB are the most", (e.Size+1<<20-1)>>20,
		limits.Inventory>>20)
}

// Write writes the inventory, each entry on a line of its own, so that a person can read it before it leaves.
// It returns a *TooLargeError, before it writes a byte, if Parse would not read the file.
func (v *Inventory) Write(w io.Writer) error {
	var size counter
	if err := v.write(&size); err != nil {
		return err
	}
	if size > limits.Inventory {
		return &TooLargeError{Size: int64(size)}
	}
	return v.write(w)
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (v *Inventory) write(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "{\"mediaType\":%q,\n\"blobs\":", MediaType)
	if err := lines(b, v.Blobs()); err != nil {
		return err
	}
	b.WriteString(",\n\"chains\":")
	if err := lines(b, v.Chains()); err != nil {
		return err
	}
	if len(v.images) > 0 {
		b.WriteString(",\n\"images\":")
		if err := lines(b, slices.Values(v.images)); err != nil {
			return err
		}
	}
	b.WriteString("}\n")
	return b.Flush()
}

// lines writes a list with one element on a line.
func lines[T any](w *bufio.Writer, all iter.Seq[T]) error {
	end, between := "[]", "[\n"
	for element := range all {
		raw, err := json.Marshal(element)
		if err != nil {
			return err
		}
		w.WriteString(between)
		if _, err := w.Write(raw); err != nil {
			return err
		}
		end, between = "\n]", ",\n"
	}
	_, err := w.WriteString(end)
	return err
}
