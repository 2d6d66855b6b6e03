package volume

import (
	"crypto/sha256"
	"os"
)

// within is the volume of the size of a file that has its last block, or else the one in the middle. That is
// how a volume under another name is known whose first block is damaged.
func (f *finder) within(file *os.File, size int64) (all []int) {
	sums := map[int][sha256.Size]byte{}
	for _, from := range []func(blocks int) int{
		func(blocks int) int { return blocks - 1 },
		func(blocks int) int { return blocks / 2 },
	} {
		for i := range f.set.Len() {
			b := from(f.set.BlocksOf(i))
			if size != f.set.At(i).Size || b == 0 {
				continue
			}
			offset, n, want := f.set.BlockAt(i, b)
			if _, known := sums[b]; !known {
				sum, err := f.sum(file, offset, n)
				if err != nil {
					break
				}
				sums[b] = sum
			}
			if sums[b] == want {
				all = append(all, i)
			}
		}
		if len(all) == 1 { // a block that several volumes have, such as one of zeros, tells nothing
			return all
		}
		all = nil
	}
	return nil
}
