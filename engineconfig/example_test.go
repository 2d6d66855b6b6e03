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

// A client reaches registries and logs in as the engines on this machine do. SetBase sends it to one address
// instead.
func Example() {
	fake := fakeregistry.New()
	fake.PutImage("team/app", "1.2", fakeregistry.Image{})
	server := httptest.NewServer(fake)
	defer server.Close()

	hosts := &engineconfig.Hosts{}
	if err := hosts.SetBase(server.URL); err != nil {
		log.Fatal(err)
	}
	client := engineconfig.NewClient(hosts, nil)
	defer client.Close()
	ref, err := registry.ParseReference("registry.corp/team/app:1.2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Repository(ref).Tags(context.Background()))
	// Output: [1.2] <nil>
}
