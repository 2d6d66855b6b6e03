// Package dockerarchive writes and reads the tar files of docker save and docker load. [Write] and [Stream]
// make what docker save wrote up to version 24; [NewReader] opens a saved tar.
package dockerarchive
