package cut

import (
	"fmt"

	"github.com/docker/go-units"

	"drayage/internal/limits"
	"drayage/internal/terminal"
)

const (
	// Least is the size of the smallest volume, in bytes.
	Least = limits.SetBlockLeast
	// most is that of the largest archive that a set can describe, so a larger volume means nothing.
	most = limits.SetBlocks * limits.SetBlockMost
	// usual is the size of a block unless the set has too many of them, or the volume is no multiple of it.
	usual = 4 << 20
)

// The media that have names. Beside the volume each has room for the set file, at most 8 MiB, and for a file
// system.
var media = map[string]int64{
	"fat32": 4<<30 - 1,
	"dvd":   4_700_372_992 - 16<<20,  // a DVD with a single layer
	"bd":    25_025_314_816 - 16<<20, // a Blu-ray disc with a single layer
}

// ParseSize reads the size of volumes as people type it: 4G, 700M, a number of bytes, or the name of a
// medium: fat32, dvd or bd. It returns the size that volumes get, in bytes. That is a little smaller where
// the size is no multiple of a block.
func ParseSize(text string) (int64, error) {
	n, known := media[text]
	if !known {
		var err error
		if n, err = units.RAMInBytes(text); err != nil {
			return 0, fmt.Errorf("%q is no size, such as 4G, 700M, fat32, dvd or bd", text)
		}
	}
	if n < Least {
		return 0, fmt.Errorf("a volume of %s is too small: 1M is the smallest", terminal.Size(n))
	}
	n = min(n, most)
	return n - n%grain(n), nil
}

// grain is a block size with which as many volumes of this size as there may be have no more blocks than
// there may be. Volumes are multiples of it, because nobody knows beforehand how many there will be.
func grain(volume int64) int64 {
	g := int64(limits.SetBlockLeast)
	for g < limits.SetBlockMost && (volume+g-1)/g > limits.SetBlocks/limits.SetVolumes {
		g *= 2
	}
	return g
}

// Enough is the smallest size of volumes for an archive of size bytes in at most n volumes.
func Enough(size int64, n int) int64 {
	v := max((size+int64(n)-1)/int64(n), Least)
	for {
		g := grain(v)
		rounded := (v + g - 1) / g * g
		if grain(rounded) == g {
			return rounded
		}
		v = rounded // just above, the grain is coarser
	}
}

// blockFor is the size of the blocks of an archive in volumes.
func blockFor(size, volume int64) int64 {
	block := int64(usual)
	for volume%block != 0 {
		block /= 2
	}
	for size > block*limits.SetBlocks {
		block *= 2
	}
	return block
}

// Count says for people how many volumes an archive of size bytes has.
func (o Options) Count(size int64) string {
	n := int((size + o.Volume - 1) / o.Volume)
	return fmt.Sprintf("%s of at most %s", terminal.Count(n, "volume"), terminal.Size(o.Volume))
}

// TooManyError says that an archive would have more volumes than a set may have.
type TooManyError struct {
	Volume int64 // the size of a volume
	Most   int   // how many there may be
	// Enough is the smallest size that would do. It is 0 if nobody knows, because the archive is not complete.
	Enough int64
}

// Error implements error.
func (e *TooManyError) Error() string {
	text := fmt.Sprintf("it takes more than %s of %s", terminal.Count(e.Most, "volume"), terminal.Size(e.Volume))
	if e.Enough == 0 {
		return text
	}
	return fmt.Sprintf("%s: %dM is the smallest size that will do", text, e.Enough>>20)
}
