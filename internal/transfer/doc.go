// Package transfer is the copy engine. [Fill] writes a blob into a file, by several streams where that is faster. [ReadAhead]
// makes the stream of a blob faster. [Run] moves many blobs at once.
package transfer
