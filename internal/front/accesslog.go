package front

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"

	"drayage/internal/secrets"
	"drayage/internal/terminal"
)

// line is a line of the access log, a JSON object. docs/serve.md explains the fields.
type line struct {
	Time       time.Time `json:"time"`
	Remote     string    `json:"remote"`
	User       string    `json:"user,omitempty"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Protocol   string    `json:"protocol"`
	Status     int       `json:"status"`
	Bytes      int64     `json:"bytes"`
	Seconds    float64   `json:"seconds"`
	What       string    `json:"what"`
	Repository string    `json:"repository,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Agent      string    `json:"agent,omitempty"`
	Error      string    `json:"error,omitempty"`
	Cut        bool      `json:"cut,omitempty"`
}

// maxField bounds what clients choose, in bytes.
const maxField = 2048

// foreign makes text of a client fit for a log: bounded, in one line, without what terminals obey and
// without passwords.
func foreign(text string) string { return terminal.Escape(secrets.Redact(text), maxField) }

// accessLog writes lines. A nil one writes nothing.
type accessLog struct {
	path string // empty: w is not a file that is opened here

	mu     sync.Mutex
	w      io.Writer
	failed bool // the last line could not be written
}

func openLog(path string, stdout io.Writer) (*accessLog, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		return &accessLog{w: stdout}, nil
	}
	l := &accessLog{path: path}
	return l, l.reopen()
}

// reopen opens the file of the name again, which is another one when the old one was renamed.
func (l *accessLog) reopen() error {
	if l == nil || l.path == "" {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old, _ := l.w.(io.Closer)
	l.w = f
	if old != nil {
		return old.Close()
	}
	return nil
}

// Close closes the file.
func (l *accessLog) Close() error {
	if l == nil || l.path == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f, _ := l.w.(io.Closer)
	l.w = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// write adds a line. The error is that of the first of several lines that fail: a full disk is no reason to
// say it thousands of times, nor to refuse requests.
func (l *accessLog) write(entry line) error {
	if l == nil {
		return nil
	}
	for _, s := range []*string{&entry.User, &entry.Method, &entry.Path, &entry.Protocol, &entry.Repository,
		&entry.Digest, &entry.Agent, &entry.Error} {
		*s = foreign(*s)
	}
	raw, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return nil
	}
	_, err = l.w.Write(append(raw, '\n'))
	before := l.failed
	if l.failed = err != nil; before {
		return nil
	}
	return err
}
