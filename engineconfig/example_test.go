package engineconfig_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"drayage/engineconfig"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// A client reaches registries and logs in as the engines on this machine do, but for what the caller sets:
// here, one proxy for all registries.
func Example() {
	fake := fakeregistry.New()
	fake.PutImage("team/app", "1.2", fakeregistry.Image{})
	proxy := httptest.NewServer(fake)
	defer proxy.Close()

	hosts := &engineconfig.Hosts{}
	if err := hosts.SetBase(proxy.URL); err != nil {
		log.Fatal(err)
	}
	client := engineconfig.NewClient(hosts, nil)
	defer client.Close()
	ref, err := registry.ParseReference("registry.example/team/app:1.2")
	if err != nil {
		log.Fatal(err)
	}
	d, _, err := client.Repository(ref).Resolve(context.Background(), ref.Target())
	fmt.Println(d.MediaType, err)
	// Output: application/vnd.oci.image.manifest.v1+json <nil>
}
