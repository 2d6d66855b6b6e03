package main

import (
	"net/url"
	"sync"
	"testing"

	"drayage/registry"
)

// TestEndpointsAreAskedConcurrently needs -race to fail.
func TestEndpointsAreAskedConcurrently(t *testing.T) {
	e := &endpoints{base: &registry.Endpoint{URL: url.URL{Host: "base"}}, mirrors: map[string][]registry.Endpoint{}}
	for _, host := range []string{"a", "b", "c"} { // appended one by one, three have room for a fourth
		e.mirrors["r"] = append(e.mirrors["r"], registry.Endpoint{URL: url.URL{Host: host}})
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if all, err := e.of(registry.Reference{Registry: "r"}); err != nil || len(all) != 4 || all[3].URL.Host != "base" {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
	wg.Wait()
}
