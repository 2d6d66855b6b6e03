//go:build !linux

package secrets

// wipe does nothing where it is not known how a process changes what is seen of its arguments.
func wipe(string) {}
