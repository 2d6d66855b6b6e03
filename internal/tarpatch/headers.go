package tarpatch

// headers codes headers of a tar by old ones.
type headers struct {
	differs, again, value []chance
	last                  [block]byte // of the last header
	was                   [block]int  // whether they differed
}

func newHeaders() headers {
	return headers{differs: chances(2 * block), again: chances(block), value: chances((block + 256) << 8)}
}

// The sum of a header lies here: six digits, and two bytes that do not change.
const sumFrom, sumTo = 148, 156

func (h *headers) code(c *coder, old, new []byte) {
	sum := (sumTo - sumFrom) * int(' ')
	for i := range block {
		if i < sumFrom || i >= sumTo {
			h.byte(c, i, old[i], &new[i])
			sum += int(new[i])
		}
	}
	for i := sumFrom; i < sumTo; i++ {
		expect := old[i]
		if left := sumTo - 3 - i; left >= 0 {
			expect = '0' + byte(sum>>(3*left)&7)
		}
		h.byte(c, i, expect, &new[i])
	}
}

// byte codes a byte of a header: as expected, or as in the last one, or any.
func (h *headers) byte(c *coder, i int, expect byte, new *byte) {
	last := h.last[i]
	h.was[i] = c.bit(&h.differs[i<<1|h.was[i]], b2i(*new != expect))
	switch {
	case h.was[i] == 0:
		*new = expect
	case last != expect && c.bit(&h.again[i], b2i(*new == last)) == 1:
		*new = last
	default:
		*new = byte(c.tree(h.value[h.like(i)<<8:], 8, int(*new)))
	}
	h.last[i] = *new
}

// like is by what a byte is coded that is not known: in names by the byte before, else by its place.
func (h *headers) like(i int) int {
	if i > 0 && i < 100 || i > 345 && i < 500 {
		return block + int(h.last[i-1])
	}
	return i
}
