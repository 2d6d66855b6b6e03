// Inspect prints what an image in a registry is, as JSON, without reading its layers. Usage: inspect IMAGE
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"drayage/engineconfig"
	"drayage/inspect"
	"drayage/registry"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal("inspect: ", err)
	}
}

func run(ctx context.Context, name string) error {
	ref, err := registry.ParseReference(name)
	if err != nil {
		return err
	}
	client := engineconfig.NewClient(nil, nil)
	defer client.Close()
	repo := client.Repository(ref)
	root, _, err := repo.Resolve(ctx, ref.Target())
	if err != nil {
		return err
	}
	found, err := inspect.Read(ctx, repo, root, inspect.Options{})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
