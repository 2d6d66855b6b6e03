package registry

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// Wild case 33: each tag of a very long list asks for memory once.
func TestWild33LongListsAreCheap(t *testing.T) {
	const tags = 20_000
	var names []string
	for i := range tags {
		names = append(names, fmt.Sprintf(`"v1.%d.0-build"`, i))
	}
	raw := []byte(`{"name":"app","tags":[` + strings.Join(names, ",") + `]}`)
	l := nameList{what: "app", kind: "tags", valid: validTag}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := l.add(http.Header{}, raw)
	runtime.ReadMemStats(&after)
	if err != nil || n != tags || len(l.names) != tags {
		t.Fatalf("%d of %d tags, %v", len(l.names), n, err)
	}
	if each := float64(after.Mallocs-before.Mallocs) / tags; each > 1.2 {
		t.Errorf("each tag asks for memory %.1f times", each)
	}
	if each := (after.TotalAlloc - before.TotalAlloc) / tags; each > 140 {
		t.Errorf("each tag takes %d bytes", each)
	}
}
