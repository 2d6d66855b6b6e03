// Package crash kills drayage, fills its disk and interrupts it, and looks at what is left. Its tests run the
// unmodified binary on Linux: at every system call at which it changes a file or sends something, at random
// moments, beside seven others, and beside other tools where they are installed.
//
// They take the short way unless -soak is given. With -update the figures are entered where
// docs/reliability.md is made of them.
package crash
