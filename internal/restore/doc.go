// Package restore gives an image of a docker tar the manifest back that it has in a registry, and with it its
// digest and its signatures. The tar has the configuration and the content of the layers. It lacks the
// manifest, and the layers as they were compressed.
//
// [Clues] have what is known of the manifest: its digest, or the manifest itself. [Finder.Manifest] builds
// manifests as tools write them until one has the digest. [Finder.Make] compresses layers as tools do until
// they have the digests that the manifest names. A digest decides in both cases: nothing is guessed.
package restore
