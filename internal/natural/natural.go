// Package natural orders texts as people order versions.
package natural

import (
	"cmp"
	"strings"
)

// Compare orders runs of digits by their value, so that 1.9 comes before 1.10, and everything else byte by
// byte. Texts that differ only in leading zeros are ordered too, so that the order is total.
func Compare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if x[0] == y[0] && (x[0] < '0' || x[0] > '9') {
			x, y = x[1:], y[1:]
			continue
		}
		if n, m := digits(x), digits(y); n > 0 && m > 0 {
			if c := compareNumbers(x[:n], y[:m]); c != 0 {
				return c
			}
			x, y = x[n:], y[m:]
			continue
		}
		return cmp.Compare(x[0], y[0])
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// digits is how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// compareNumbers compares numbers of any length, such as dates and build numbers.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
