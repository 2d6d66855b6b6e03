// Fetch brings images from registries into an OCI layout, with the credentials and host files of the engines
// on this machine. Usage: fetch LAYOUT IMAGE...
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"drayage/engineconfig"
	"drayage/fetch"
	"drayage/layout"
	"drayage/registry"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		log.Fatal("fetch: ", err)
	}
}

func run(ctx context.Context, path string, names []string) error {
	var refs []registry.Reference
	for _, name := range names {
		ref, err := registry.ParseReference(name)
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	client := engineconfig.NewClient(nil, nil)
	defer client.Close()
	dir, err := layout.CreateDir(ctx, path)
	if err != nil {
		return err
	}
	defer dir.Close()
	results, err := fetch.Images(ctx, client, refs, dir, fetch.Options{})
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		fmt.Println(r.Image.Root.Digest, r.Reference)
	}
	return nil
}
