// Package serving runs `drayage serve` as people do and looks at it from outside: with the conformance
// suite of the OCI, and under load. DRAYAGE_BIN names the command to test; without it the parent module's
// is built.
package serving
