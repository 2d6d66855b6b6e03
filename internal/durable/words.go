package durable

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// tried is what a system call is for, by the beginning of its name.
var tried = []struct{ call, words string }{
	{"open", "cannot open "}, {"stat", "cannot open "}, {"lstat", "cannot open "}, {"fstat", "cannot open "},
	{"mkdir", "cannot make "}, {"rename", "cannot write "}, {"link", "cannot write "},
	{"unlink", "cannot remove "}, {"remove", "cannot remove "},
	{"write", "cannot write "}, {"pwrite", "cannot write "}, {"sync", "cannot write "},
	{"fsync", "cannot write "}, {"truncate", "cannot write "}, {"ftruncate", "cannot write "},
	{"read", "cannot read "}, {"pread", "cannot read "},
}

// Worded returns the text of an error with words in place of the system call that has failed: users know
// files and not openat. Files that only drayage writes are opened to be written.
func Worded(text string, err error) string {
	var p *fs.PathError
	var l *os.LinkError
	call, path, cause := "", "", error(nil)
	switch {
	case errors.As(err, &p):
		call, path, cause = p.Op, p.Path, p
	case errors.As(err, &l):
		call, path, cause = l.Op, l.New, l
	default:
		return text
	}
	for _, t := range tried {
		if !strings.HasPrefix(call, t.call) {
			continue
		}
		words := t.words
		if strings.HasPrefix(path, ".drayage/") {
			words = "cannot write "
		}
		return strings.ReplaceAll(text, cause.Error(), words+path+": "+errors.Unwrap(cause).Error())
	}
	return text
}
