// Package dockerarchive reads and writes archives: tars that hold images, as docker save makes and docker
// load takes them.
//
// [Reader] reads all that are in use: docker tars with a manifest.json, OCI tars with an index.json, tars
// with both, and v1 archives from before Docker 1.10. [NewReader] opens an archive that can be read at any
// place, [Scan] looks at one that comes as a stream, and [NewPass] takes one from a stream in one go.
// [Reader.Contents] tells what images there are. An image comes out as a [layout.Layout] that reads from the
// archive, or as a [SavedImage]. Configurations are checked against their names. Layers are not verified: who
// reads them compares them with their digest or diff ID. Errors about an archive that is damaged or
// contradicts itself wrap [ErrIntegrity], errors about anything else than an archive [ErrNotImage].
//
// [Write] and [Stream] make an archive in one of two formats, [Docker] and [OCI], of images that come from a
// registry, a layout or another archive. Every byte is verified on its way. The same images make the same
// bytes.
package dockerarchive
