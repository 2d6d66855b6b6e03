//go:build linux

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Of ptrace, what package syscall lacks.
const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO, of Linux 5.3
	exitKill       = 1 << 20
	ownTracees     = 0x20000000 // __WNOTHREAD: those of this thread only
	syscallTrap    = syscall.SIGTRAP | 0x80
)

// call is a system call that is about to be made.
type call struct {
	pid  int
	nr   uint64
	args [6]uint64
}

// ended is what became of a traced process.
type ended struct {
	struck bool   // it came to the call that was meant
	at     string // that call
	calls  int    // that were counted
	status syscall.WaitStatus
}

// strike is what happens to a traced process: at the n-th of the calls that name gives a name it is killed,
// so that this call is not made any more, or else the call fails with an error.
type strike struct {
	n    int
	name func(call) string
	err  syscall.Errno // 0: it is killed
}

// traceTimeout ends a process that hangs.
const traceTimeout = 2 * time.Minute

// strikeAt runs a command. The calls of all its threads count. The standard streams of the command must be
// files or nil. All work is done by one thread, as ptrace demands.
func strikeAt(cmd *exec.Cmd, st strike) (e ended, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return e, err
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release() // this thread waits for it itself
	watchdog := time.AfterFunc(traceTimeout, func() { syscall.Kill(pid, syscall.SIGKILL) })
	defer watchdog.Stop()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WALL|ownTracees, nil); err != nil {
		return e, fmt.Errorf("waiting for the first stop: %v", err)
	}
	if err := syscall.PtraceSetOptions(pid,
		syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|exitKill); err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		return e, fmt.Errorf("ptrace: %v", err)
	}
	for tid := pid; ; { // its group and no other process: others of this thread are waited for elsewhere
		st.step(&e, pid, tid, status)
		tid, err = syscall.Wait4(-pid, &status, syscall.WALL|ownTracees, nil)
		for errors.Is(err, syscall.EINTR) {
			tid, err = syscall.Wait4(-pid, &status, syscall.WALL|ownTracees, nil)
		}
		if err != nil {
			return e, fmt.Errorf("waiting: %v", err)
		}
		// the kernel tells of the first thread when all others are gone
		if tid == pid && (status.Exited() || status.Signaled()) {
			e.status = status
			return e, nil
		}
	}
}

// step lets a thread that has stopped go on, unless it is to be killed.
func (st strike) step(e *ended, pid, tid int, status syscall.WaitStatus) {
	if !status.Stopped() || e.struck && st.err == 0 {
		return
	}
	deliver := 0
	switch sig := status.StopSignal(); sig {
	case syscallTrap:
		if !st.enter(e, pid, tid) {
			return
		}
	case syscall.SIGTRAP, syscall.SIGSTOP: // a new program, a new thread
	default:
		deliver = int(sig)
	}
	syscall.PtraceSyscall(tid, deliver) // fails if the thread is gone, and then it is waited for
}

// enter looks at a system call and reports whether the thread may go on.
func (st strike) enter(e *ended, pid, tid int) bool {
	c, entering := pendingCall(tid)
	if !entering {
		return true
	}
	c.pid = pid
	what := st.name(c)
	if what == "" {
		return true
	}
	if e.calls++; e.calls != st.n {
		return true
	}
	e.struck, e.at = true, what
	if st.err == 0 {
		syscall.Kill(pid, syscall.SIGKILL)
		return false
	}
	failCall(tid, st.err)
	return true
}

// syscallInfo is what the kernel tells of a thread that is entering a system call.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // of the instruction and the stack
	nr   uint64
	args [6]uint64
}

// pendingCall asks what a thread that has stopped is about to do.
func pendingCall(tid int) (c call, entering bool) {
	var info syscallInfo
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	const entry = 1
	return call{nr: info.nr, args: info.args}, errno == 0 && info.op == entry
}

// file is what a descriptor of the process is: a path, or socket:[1].
func (c call) file(fd uint64) string {
	target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, int32(fd)))
	return target
}

// text is a string in the memory of the process.
func (c call) text(address uint64) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	raw := make([]byte, 256)
	n, _ := mem.ReadAt(raw, int64(address))
	for i, b := range raw[:n] {
		if b == 0 {
			return string(raw[:i])
		}
	}
	return string(raw[:n])
}
