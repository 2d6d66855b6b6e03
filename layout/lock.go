package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"drayage/internal/filelock"
	"drayage/internal/retry"
)

// locked runs f while no other process changes index.json.
func (d *Dir) locked(ctx context.Context, f func() error) error {
	open := func() (*os.File, error) { return d.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644) }
	file, err := d.openWork(open)
	if err != nil && d.clearPlace(lockFile) == nil {
		file, err = d.openWork(open)
	}
	if errors.Is(err, fs.ErrPermission) { // another user's file, perhaps: to lock it is enough to read it
		if file, err = d.root.Open(lockFile); err != nil {
			err = fmt.Errorf("%w: give yourself access to it, or remove it while nobody uses the layout", err)
		}
	}
	if err == nil {
		defer file.Close()
		err = filelock.Lock(ctx, file)
	}
	if errors.Is(err, filelock.ErrUnsupported) {
		d.alone.Store(true)
		if err = d.hold(ctx); err == nil {
			defer d.root.Remove(heldFile)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return f()
}

const (
	// heldFile stands for the lock where there are none. It stays behind if its owner is killed.
	heldFile = lockFile + ".held"
	// abandoned is how long the same heldFile has to be watched before it counts as left behind. Its owner does
	// nothing but replace a file.
	abandoned = time.Minute
	heldPoll  = 20 * time.Millisecond
)

// hold makes heldFile, when nobody else has it.
func (d *Dir) hold(ctx context.Context) error {
	var watched fs.FileInfo
	var since time.Time // of this clock: the server's may be another one
	for {
		f, err := d.root.OpenFile(heldFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		now, err := d.root.Lstat(heldFile)
		if err != nil || !os.SameFile(watched, now) || !watched.ModTime().Equal(now.ModTime()) {
			watched, since = now, time.Now()
		} else if time.Since(since) > abandoned {
			_ = d.root.Remove(heldFile)
		}
		if err := retry.Sleep(ctx, heldPoll); err != nil {
			return err
		}
	}
}
