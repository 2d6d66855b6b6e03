package secrets

import "unsafe"

// wipe overwrites an argument of the process in the memory that the system shows: Go's strings of arguments
// are in that memory. s must be part of os.Args: other strings may be in memory that nobody can write.
func wipe(s string) {
	for i := range unsafe.Slice(unsafe.StringData(s), len(s)) {
		*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i)) = '*'
	}
}
