package golang

import "drayage/internal/deflate/coding"

// weighted is how many bits symbols of the given weights take.
func weighted(lengths []uint8, weights []uint32) int {
	size := 0
	for i, weight := range weights {
		size += int(weight) * int(lengths[i])
	}
	return size
}

// fixedSize is how many bits a block counts for with the fixed codes. A block without matches counts as if it
// had one distance.
func fixedSize(f *coding.Frequencies) int {
	return fixedBits(f) + f.ExtraBits()
}

// fixedBits is that without extra bits.
func fixedBits(f *coding.Frequencies) int {
	size := 3 + 7
	for symbol, weight := range f.Literals {
		if symbol == coding.EndBlock {
			continue
		}
		size += int(weight) * int(coding.FixedCode.Literals[symbol])
	}
	distances := 0
	for _, weight := range f.Distances {
		distances += int(weight)
	}
	return size + 5*max(1, distances)
}

// countDistance counts a distance if there is none. A block with codes of its own has one distance code at
// least.
func countDistance(f *coding.Frequencies) {
	if f.Distances == [coding.Distances]uint32{} {
		f.Distances[0] = 1
	}
}

// storedSize is how many bits a stored block of n bytes counts for.
func storedSize(n int) int { return (n + 5) * 8 }
