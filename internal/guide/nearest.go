package guide

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"drayage/internal/natural"
)

// Nearest returns the candidate that a mistyped word probably means, or nothing.
func Nearest(word string, candidates []string) string {
	if near := Slip(word, candidates); near != "" || len(word) < 3 {
		return near
	}
	for _, c := range candidates {
		if strings.HasPrefix(c, word) {
			return c
		}
	}
	return ""
}

// Slip is Nearest, but the beginning of a word is not enough.
func Slip(word string, candidates []string) string {
	best, least := "", 0
	for _, c := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		n := min(len(word), len(c))
		if d <= slips(n) && d < n && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// slips is how many slips of the finger a word of n letters may have and still be known.
func slips(n int) int { return max(1, min(n/3, 3)) }

// distance counts the letters that are missing, added or wrong in a word, and the neighbours that have
// changed places. Words that are far longer than any name are not compared.
func distance(a, b string) int {
	const longest = 300
	x, y := []rune(a), []rune(b)
	if len(x) > longest || len(y) > longest {
		return longest
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			wrong := 1
			if x[i-1] == y[j-1] {
				wrong = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+wrong)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// Or is a list of words with the last ones joined by or: a, b or c.
func Or(words ...string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// NearestFew returns up to n candidates that are most like a word, the nearest first. One that goes on where
// the word ends, as 3.20 does after 3.2, is nearer than any other.
func NearestFew(word string, candidates []string, n int) (near []string) {
	distances := map[string]int{}
	for _, c := range candidates {
		if d := distance(word, c); word != "" && strings.HasPrefix(c, word) {
			distances[c] = 0
		} else if d <= max(2, len(word)/2) && d < len(word) {
			distances[c] = d
		}
	}
	near = slices.Collect(maps.Keys(distances))
	natural.Sort(near)
	slices.Reverse(near) // of equally near ones the latest first
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(distances[a], distances[b]) })
	return near[:min(n, len(near))]
}
