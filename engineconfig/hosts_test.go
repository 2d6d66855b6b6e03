package engineconfig

import (
	"sync"
	"testing"

	"drayage/registry"
)

// TestEndpointsAreAskedConcurrently needs -race to fail.
func TestEndpointsAreAskedConcurrently(t *testing.T) {
	var h Hosts
	for _, host := range []string{"a", "b", "c"} { // appended one by one, three have room for a fourth
		if err := h.AddMirror("r", host); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SetBase("base"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			all, err := h.Endpoints(registry.Reference{Registry: "r"})
			if err != nil || len(all) != 4 || all[3].URL.Host != "base" {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
	wg.Wait()
}
