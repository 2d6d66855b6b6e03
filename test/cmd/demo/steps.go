package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"drayage/test/sample"
)

func (d *demo) fetch(ctx context.Context) error {
	d.heading("Connected side: fetch into a directory (an OCI layout)")
	d.say("   Only the platform of this machine is taken unless you say otherwise.")
	if err := d.drayage(ctx, "fetch", d.sourceRef(), "-o", layoutDir); err != nil {
		return err
	}
	got := d.traffic.Take()
	if got.Reads == 0 {
		return errors.New("the source registry saw no blob leave, so this was no fetch")
	}
	d.passed("the source registry sent %d blobs, %s", got.Reads, size(got.ReadBytes))
	return nil
}

func (d *demo) fetchAgain(ctx context.Context) error {
	d.heading("Fetch again: what is there is not transferred twice")
	if err := d.drayage(ctx, "fetch", d.sourceRef(), "-o", layoutDir); err != nil {
		return err
	}
	if got := d.traffic.Take(); got.Reads != 0 {
		return fmt.Errorf("the source registry sent %d blobs (%s) a second time", got.Reads, size(got.ReadBytes))
	}
	d.passed("the source registry sent 0 blobs")
	return nil
}

func (d *demo) save(ctx context.Context) error {
	d.heading("Save a tar that docker load and podman load read")
	if err := d.drayage(ctx, "save", layoutDir, "-o", tarFile); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(d.dir, tarFile))
	if err != nil {
		return err
	}
	d.passed("%s is there, %s: this is what travels", tarFile, size(info.Size()))
	return nil
}

func (d *demo) push(ctx context.Context) error {
	d.heading("Private side: push the tar, with no engine there either")
	d.say("   A destination that ends in / keeps the repository path and the tag.")
	if err := d.drayage(ctx, "push", tarFile, d.private.Addr()+"/"); err != nil {
		return err
	}
	id, err := imageID(ctx, d.repository(d.private), tag)
	if err != nil {
		return err
	}
	if id != d.platform.Config {
		return fmt.Errorf("the image ID on the private side is %s, the source has %s", id, d.platform.Config)
	}
	d.passed("same image ID on both sides\n       %s", id)
	return nil
}

func (d *demo) pushAll(ctx context.Context) error {
	d.heading("All platforms: the index travels too, byte for byte")
	if err := d.drayage(ctx, "fetch", "--platform", "all", d.sourceRef(), "-o", layoutDir); err != nil {
		return err
	}
	return d.drayage(ctx, "push", layoutDir, d.private.Addr()+"/")
}

// compare reads both registries by plain HTTP and walks both indexes.
func (d *demo) compare(ctx context.Context) error {
	d.heading("Compare both registries, by plain HTTP and not by drayage")
	source, err := read(ctx, d.repository(d.source), tag)
	if err != nil {
		return err
	}
	private, err := read(ctx, d.repository(d.private), tag)
	if err != nil {
		return err
	}
	d.say("")
	d.say("   %-15s%s", "index", source.digest)
	if private.digest != source.digest {
		return fmt.Errorf("the index on the private side is %s, the source has %s", private.digest, source.digest)
	}
	for _, p := range d.image.Platforms {
		name := sample.Name(p.Platform)
		d.say("   %-15s%s", name, source.ids[p.Manifest.Digest])
		if source.ids[p.Manifest.Digest] != p.Config {
			return fmt.Errorf("the image ID of %s is %s at the source, it was built as %s", name,
				source.ids[p.Manifest.Digest], p.Config)
		}
		if private.ids[p.Manifest.Digest] != p.Config {
			return fmt.Errorf("the image ID of %s is %q on the private side, the source has %s", name,
				private.ids[p.Manifest.Digest], p.Config)
		}
	}
	d.passed("index digest and all %d image IDs are equal on both sides", len(d.image.Platforms))
	return nil
}
