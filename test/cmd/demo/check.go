package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// maxConfig is far more than the config of the sample weighs.
const maxConfig = 1 << 20

// contents is what a registry has under one tag.
type contents struct {
	digest digest.Digest                   // of the index or manifest itself
	ids    map[digest.Digest]digest.Digest // image ID by manifest digest
}

// read follows a tag, an index's children included, and hashes every byte it relies on.
func read(ctx context.Context, repo *wire.Repository, ref string) (contents, error) {
	root, err := repo.Manifest(ctx, ref)
	if err != nil {
		return contents{}, err
	}
	var index v1.Index
	if err := json.Unmarshal(root.Raw, &index); err != nil {
		return contents{}, fmt.Errorf("%s: %v", root.Digest, err)
	}
	found := contents{digest: root.Digest, ids: map[digest.Digest]digest.Digest{}}
	for _, child := range index.Manifests {
		id, err := imageID(ctx, repo, child.Digest.String())
		if err != nil {
			return contents{}, err
		}
		found.ids[child.Digest] = id
	}
	return found, nil
}

// imageID reads the manifest and then the config that it names, and hashes the latter. Docker calls that hash
// the image ID.
func imageID(ctx context.Context, repo *wire.Repository, ref string) (digest.Digest, error) {
	raw, err := repo.Manifest(ctx, ref)
	if err != nil {
		return "", err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(raw.Raw, &manifest); err != nil {
		return "", fmt.Errorf("manifest %s: %v", raw.Digest, err)
	}
	rc, err := repo.Blob(ctx, manifest.Config.Digest)
	if err != nil {
		return "", err
	}
	defer rc.Close()
	id, err := digest.FromReader(io.LimitReader(rc, maxConfig))
	if err != nil {
		return "", err
	}
	if id != manifest.Config.Digest {
		return "", fmt.Errorf("config of %s hashes to %s, its manifest says %s", raw.Digest, id,
			manifest.Config.Digest)
	}
	return id, nil
}
