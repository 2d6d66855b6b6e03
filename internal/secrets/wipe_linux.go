package secrets

import "unsafe"

// wipe overwrites an argument of the process where the system reads it from: Go's strings of arguments are
// that memory itself. It must be given nothing else: other strings may stand in memory that cannot be
// written.
func wipe(s string) {
	for i := range unsafe.Slice(unsafe.StringData(s), len(s)) {
		*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i)) = '*'
	}
}
