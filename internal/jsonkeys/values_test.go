package jsonkeys_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
)

// count is the number of values in a document that has been parsed.
func count(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += count(e)
		}
	case map[string]any:
		for _, e := range v {
			n += count(e)
		}
	}
	return n
}

func TestValues(t *testing.T) {
	for raw, want := range map[string]int{
		`1`: 1, `"a,b"`: 1, `[]`: 2, `[1,2,3]`: 4, `{"a,[{":"\",","b":[]}`: 4, `[{},{}]`: 5, `"`: 1, ``: 1,
	} {
		if got := jsonkeys.Values([]byte(raw)); got != want {
			t.Errorf("%s: %d, want %d", raw, got, want)
		}
	}
}

func TestBounded(t *testing.T) {
	for n, ok := range map[int]bool{limits.Values - 1: true, limits.Values: false} {
		raw := []byte("[" + strings.Repeat("0,", n-1) + "0]")
		if err := jsonkeys.Bounded(raw); (err == nil) != ok {
			t.Errorf("a list of %d: %v", n, err)
		}
	}
}

func FuzzValues(f *testing.F) {
	for raw := range documents {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := jsonkeys.Values(raw)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		// of a key that stands twice one value is left
		if !json.Valid(raw) || d.Decode(&v) != nil || jsonkeys.UniqueNames(raw) != nil {
			return
		}
		if n := count(v); got < n || got > 2*n {
			t.Fatalf("%q: %d, and it has %d", raw, got, n)
		}
	})
}
