// Package interop lets the programs that people run consume what drayage writes, and gives drayage what they
// write: Docker, podman, containerd, skopeo, umoci and docker-registry, with and without nginx in front, each
// started by the test in a directory of its own.
//
// A test skips, and says why, where a tool or root is absent. With DRAYAGE_INTEROP=require that is a failure
// instead. DRAYAGE_BIN names the command to test; without it the parent module's is built. What the tests
// need is installed by .ci/install-tools.
package interop
