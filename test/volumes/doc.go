// Package volumes hurts archives in volumes and looks at what drayage makes of them: every class of place
// in a volume, in the set file and in its signature, and every mistake that people make when they carry
// volumes. Its tests run the unmodified binary on Linux.
//
// TestPeers does the same to other tools where they are installed, if DRAYAGE_PEERS is set. With -update the
// figures are entered where docs/reliability.md is made of them.
package volumes
