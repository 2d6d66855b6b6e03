package klauspost

import (
	"math"

	"drayage/internal/deflate/coding"
)

// estimate is how many bits the encoder expects that tokens take with a code of their own, without its
// header. The encoder reckons in single precision, and each step is rounded. The conversions keep compilers
// from rounding less often.
func (e *era) estimate(f *coding.Frequencies, tokens int) int {
	if tokens == 0 {
		return 0
	}
	sum, extra, matches := float32(0), 0, 0
	share := 1 / float32(tokens)
	for _, n := range f.Literals[:coding.EndBlock] {
		sum = e.addCost(sum, n, share)
	}
	sum += 15 // for the end of the block
	for i, n := range f.Literals[coding.EndBlock+1:] {
		sum = e.addCost(sum, n, share)
		extra += int(n) * int(coding.LengthExtra[i])
		matches += int(n)
	}
	if matches > 0 {
		share = 1 / float32(matches)
		for i, n := range f.Distances {
			sum = e.addCost(sum, n, share)
			extra += int(n) * int(coding.DistanceExtra[i])
		}
	}
	return int(sum) + extra
}

// addCost adds the bits of a symbol that is used n times.
func (e *era) addCost(sum float32, n uint32, share float32) float32 {
	if n == 0 {
		return sum
	}
	bits := -logarithm(float32(float32(n) * share))
	if e.early == later {
		bits = min(max(bits, 1), 15)
	}
	return sum + float32(bits*float32(n))
}

// estimateBytes is what early versions expect that bytes take with a code of their own, and what the bytes
// that are not used take if they are counted.
func (e *era) estimateBytes(f *coding.Frequencies, size int, fill bool) (bits, unused int) {
	zeros := 0
	for _, n := range f.Literals[:coding.EndBlock] {
		if n == 0 && fill {
			zeros++
		}
	}
	total := size
	if e.early == early {
		total += zeros
	}
	share, sum := 1/float32(total), float32(0)
	for _, n := range f.Literals[:coding.EndBlock] {
		if n > 0 {
			bits := max(-logarithm(float32(float32(n)*share)), 1)
			sum += float32(bits * float32(n))
		}
	}
	one, rest := max(-logarithm(share), 1), float32(0)
	for range zeros {
		rest += one
	}
	return int(float32(sum + 0.99)), int(float32(rest + 0.99))
}

// logarithm is that to base 2, nearly: the exponent, and a parabola for the rest.
func logarithm(x float32) float32 {
	bits := math.Float32bits(x)
	exponent := float32(int(bits>>23&0xff) - 128)
	rest := math.Float32frombits(bits&0x007fffff | 127<<23)
	p := float32(float32(-0.34484843*rest) + 2.02466578)
	return exponent + float32(float32(p*rest)-0.67487759)
}
