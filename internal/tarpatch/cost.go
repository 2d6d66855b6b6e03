package tarpatch

// Who writes a patch could make it take very long to apply: with an operation for each byte, or with bits
// that nobody can foresee. So the work is bounded by what comes out. Patches of real layers are far below.
const (
	bitsPerByte = 8       // coded for each byte of the layer so far
	bitsPerStep = 64      // an operation takes as long as so many bits, beside its own
	freely      = 1 << 23 // bits that any patch may have beyond
)

// cost is the work so far, in bits.
func cost(steps int64, all ...*coder) int64 {
	n := steps * bitsPerStep
	for _, c := range all {
		n += c.spent
	}
	return n
}
