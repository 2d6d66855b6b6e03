// Package compose compares what drayage reads of Compose files with what compose-go, the library of docker
// compose, reads of them.
package compose
