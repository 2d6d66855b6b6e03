// Package cut writes an archive into volumes: x.tar.001, x.tar.002 and so on, which cat joins, and the set
// file x.tar.set, which has their hashes. Package volume says what is in a set file.
//
// [Create] begins the volumes. What it returns is a [Writer], into which package dockerarchive writes as into
// one file. [Writer.Finish] makes the hashes, and [Writer.Commit] gives all files their names.
package cut
