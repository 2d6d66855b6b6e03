// Package serve is a read-only registry
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) of images where they lie: in
// layouts, in archives, or in whatever else gives out blobs. It copies and writes nothing.
//
// A [Shelf] has images and a [Content] to read them from. [NewCatalog] makes one directory of the names on
// all shelves, and [New] the http.Handler that answers for it. [Registry.Replace] puts another catalog in
// its place while requests go on.
//
// Every byte is verified as it leaves. An answer ends as announced only if the digest of the whole blob is
// right. Otherwise the connection is cut before the last bytes, and [Options].Observe is told. A manifest is
// verified before any of it is sent.
package serve
