//go:build unix

package durable

import "syscall"

var diskErrors = []error{syscall.EDQUOT}

var writeProtected []error // EROFS alone
