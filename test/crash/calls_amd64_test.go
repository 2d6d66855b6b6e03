//go:build linux

package crash

import "syscall"

// What package syscall does not name.
const (
	sysCopyFileRange = 326
	sysRenameat2     = 316
)

// failCall makes the system call that a thread is entering fail.
func failCall(tid int, errno syscall.Errno) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	regs.Orig_rax = ^uint64(0) // there is no such call
	syscall.PtraceSetRegs(tid, &regs)
	syscall.PtraceSyscall(tid, 0)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(tid, &status, syscall.WALL, nil); err != nil ||
		syscall.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	regs.Rax = uint64(-int64(errno))
	syscall.PtraceSetRegs(tid, &regs)
}

const canFailCalls = true
