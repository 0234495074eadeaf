// Package suggest finds what a mistyped word was meant to be.
package suggest

import "strings"

// Nearest is the one of the words that was most likely meant, or "" where none is near: a word that
// begins as it does, or that it becomes by a slip or two of the fingers.
func Nearest(typed string, words []string) string {
	typed = strings.ToLower(typed)
	best, nearest := "", limit(typed)+1
	for _, word := range words {
		d := distance(typed, word)
		if len(typed) >= 3 && strings.HasPrefix(word, typed) {
			d = min(d, 1)
		}
		if d < nearest {
			best, nearest = word, d
		}
	}
	return best
}

// limit is how many slips a word of this length may have: in a short one, two make another word.
func limit(typed string) int {
	switch {
	case len(typed) < 3:
		return 0
	case len(typed) < 5:
		return 1
	}
	return 2
}

// distance counts the slips between two words: a letter too many, too few or wrong, or two letters
// the wrong way round (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1) // rows i-2 and i-1
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
