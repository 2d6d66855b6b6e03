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
	for {
		i := numberBefore(x, differ(x, y))
		if x, y = x[i:], y[i:]; x == "" || y == "" {
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
		}
		n, m := digits(x), digits(y)
		if n == 0 || m == 0 {
			return cmp.Compare(x[0], y[0])
		}
		if c := compareNumbers(x[:n], y[:m]); c != 0 {
			return c
		}
		x, y = x[n:], y[m:]
	}
}

// differ is where a and b begin to differ, or one of them ends.
func differ(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// numberBefore is where the number begins that ends before s[i], or i.
func numberBefore(s string, i int) int {
	for i > 0 && isDigit(s[i-1]) {
		i--
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits is how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// compareNumbers compares numbers of any length, such as dates and build numbers.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
