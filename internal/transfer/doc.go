// Package transfer is the copy engine. Blobs come from an [image.Source]; the engine verifies them and
// opens the source again where a stream breaks.
//
// [Fill] writes a blob into a file, by several streams where that is faster. [ReadAhead] makes the stream
// of a blob faster for callers that need it in order. [Run] moves many blobs at once.
package transfer
