//go:build linux

package interop

import (
	"encoding/json"
	"testing"
)

// TestPushRebuiltOnKnownBase pushes what Docker has built on a base that Docker itself has pushed. The layers
// of the base are used as Docker compressed them, and only the new layer is sent, without any cache.
func TestPushRebuiltOnKnownBase(t *testing.T) {
	requireDocker(t)
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			b := build(t)
			addr := registry.start(t)
			b.run(t, "tag", "built:1", addr+"/team/app:1")
			b.run(t, "push", addr+"/team/app:1")
			tar := saveImages(t, b, "child:1")
			pushRebuilt(t, addr, "team/app", "2", tar)
			pushRebuilt(t, addr, "other/app", "1", tar, "--base", addr+"/team/app:1")
			pushRebuilt(t, addr, "trusting/app", "1", tar, "--base", addr+"/team/app", "--reuse", "trust")
			checkPulled(t, b, "child:1", addr+"/other/app:1")
		})
	}
}

// pushRebuilt pushes a tar with an empty cache, and compares the manifest with that of the base.
func pushRebuilt(t *testing.T, addr, name, tag, tar string, flags ...string) {
	t.Helper()
	args := append([]string{"push", "--json", tar, addr + "/" + name + ":" + tag}, flags...)
	push := drayageCommand(t, args...)
	push.env = []string{"XDG_CACHE_HOME=" + scratch(t)}
	var result struct {
		Transfer struct{ TransferredBytes int64 }
	}
	if err := json.Unmarshal([]byte(push.run(t).ok(t)), &result); err != nil {
		t.Fatal(err)
	}
	base, _ := readManifest(t, addr, "team/app", "1")
	child, _ := readManifest(t, addr, name, tag)
	most := child.Config.Size
	for i, l := range child.Layers {
		if i < len(base.Layers) {
			equal(t, name+": layer of the base", l.Digest, base.Layers[i].Digest)
		} else {
			most += l.Size
		}
	}
	if sent := result.Transfer.TransferredBytes; len(child.Layers) <= len(base.Layers) || sent > most {
		t.Errorf("%s: %d bytes were sent; the new layers and the configuration have %d", name, sent, most)
	}
}
