package parity

// The field has 256 elements: polynomials of a degree below 8 over the bits 0 and 1, modulo
// x^8+x^4+x^3+x^2+1. A sum is the exclusive or of two bytes.
const modulus = 0x11d

// exps has the powers of x, twice, so that sums of two logarithms need no remainder. logs is its inverse;
// that of 0 is never read.
var exps, logs = powers()

func powers() (exps [510]byte, logs [256]int) {
	v := 1
	for i := range 255 {
		exps[i], exps[i+255], logs[v] = byte(v), byte(v), i
		if v <<= 1; v > 255 {
			v ^= modulus
		}
	}
	return exps, logs
}

// lagrange are the factors that lead from the values of a polynomial at the points in to its values at the
// points out: out[j] is the sum of all f[j][i] * in[i]. The polynomial is of a degree below len(in). All
// points differ.
func lagrange(in, out []int) [][]byte {
	slopes := make([]int, len(in)) // logarithms of what each point of in is apart from all others
	for i, a := range in {
		for k, b := range in {
			if k != i {
				slopes[i] += logs[a^b]
			}
		}
	}
	factors := make([][]byte, len(out))
	for j, x := range out {
		all := 0
		for _, a := range in {
			all += logs[x^a]
		}
		factors[j] = make([]byte, len(in))
		for i, a := range in {
			e := (all - logs[x^a] - slopes[i]) % 255
			factors[j][i] = exps[e+255]
		}
	}
	return factors
}
