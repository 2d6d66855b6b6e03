package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"drayage/dockerarchive"
	"drayage/engineconfig"
	"drayage/image"
	"drayage/internal/dockerauth"
	"drayage/internal/durable"
	"drayage/internal/engine"
	"drayage/internal/guide"
	"drayage/internal/interrupt"
	"drayage/internal/repair"
	"drayage/internal/report"
	"drayage/internal/tell"
	"drayage/internal/terminal"
	"drayage/internal/usage"
	"drayage/internal/volume"
	"drayage/layout"
	"drayage/registry"
)

// The exit codes. exitCodesHelp explains them to users.
const (
	exitDone        = 0
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitUnavailable = 5
	exitIntegrity   = 6
	exitPartly      = 7
)

const exitCodesHelp = `EXIT CODES:
   0  done
   1  any other failure
   2  wrong usage
   3  not found: image, tag, platform, file, or what was left out of an archive
   4  authentication or permission, of files too
   5  network, rate limit or registry failure
   6  integrity: a digest or an archive is wrong
   7  partly done: some images failed, others are complete; a list broke off
   129, 130, 143  hung up, interrupted, terminated
`

// imagesFailed is returned when some or all of several images failed. Each has been reported already.
type imagesFailed struct {
	first         error
	failed, total int
}

func (e *imagesFailed) Error() string {
	if e.failed == e.total {
		return fmt.Sprintf("all %d images failed", e.total)
	}
	return fmt.Sprintf("%d of %d images failed", e.failed, e.total)
}

// Unwrap lets the first failure decide on the exit code if there was nothing else.
func (e *imagesFailed) Unwrap() error {
	if e.failed == e.total {
		return e.first
	}
	return nil
}

// nothingWritten is the error of a command that takes all images or none. Each failure has been said already.
type nothingWritten struct {
	first         error
	failed, total int
}

func (e *nothingWritten) Error() string {
	return fmt.Sprintf("%d of %d images failed, so nothing is written", e.failed, e.total)
}

// Unwrap lets the first failure decide on the exit code.
func (e *nothingWritten) Unwrap() error { return e.first }

// incomplete is an error behind which there is a result, but not all of it.
type incomplete struct{ error }

func (e *incomplete) Unwrap() error { return e.error }

// exitCode is the one place where errors become exit codes.
func exitCode(ctx context.Context, err error) int {
	var (
		unmeant  *usage.Error
		several  *imagesFailed
		sig      interrupt.Error
		platform *image.PlatformError
		unusable *dockerauth.Error
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(context.Cause(ctx), &sig):
		return sig.Code()
	case errors.As(err, &unmeant):
		return exitUsage
	case errors.As(err, &several) && several.failed < several.total, errors.As(err, new(*incomplete)):
		return exitPartly
	case errors.Is(err, registry.ErrIntegrity), errors.Is(err, dockerarchive.ErrNotImage),
		errors.Is(err, dockerarchive.ErrIncomplete), errors.Is(err, layout.ErrDamaged),
		errors.Is(err, layout.ErrLacking):
		return exitIntegrity
	case errors.Is(err, registry.ErrDenied), errors.Is(err, engineconfig.ErrBlocked), errors.As(err, &unusable):
		return exitDenied
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.As(err, &platform),
		errors.Is(err, dockerarchive.ErrLeftOut):
		return exitNotFound
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, engine.ErrUnavailable):
		return exitUnavailable
	case errors.Is(err, fs.ErrPermission): // not that of a network, which is unreachable
		return exitDenied
	}
	return exitOther
}

// describe makes one line of an error, with what users can do about it if that is known.
func (e *environment) describe(err error) string {
	line := terminal.Once(strings.ReplaceAll(durable.Worded(err.Error(), err), "\n", "; "))
	if hint := durable.DiskHint(err); hint != "" {
		if e.command == "save" && errors.Is(err, syscall.EFBIG) {
			hint = "FAT32 takes no file of 4.3 GB: --volume-size fat32 cuts the tar into volumes that fit"
		}
		return line + " (" + hint + ")"
	}
	var refused *registry.Error
	var platform *image.PlatformError
	var volumes *volume.Error
	switch {
	case errors.As(err, &volumes):
		if hint := repair.Hint(volumes); hint != "" {
			line += " (" + hint + ")"
		}
	case errors.As(err, &refused) && refused.RateLimited():
		line += " (the registry limits how much is pulled: wait, log in for a higher limit, " +
			"or read from a --mirror)"
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		line += " (no access, or no such repository: give --creds, or log in with drayage login)"
	case errors.As(err, &refused) && refused.WantsTLS():
		line += " (it speaks TLS: leave out --plain-http)"
	case errors.As(err, &platform) && guide.Platform(platform.Want.OS, platform.Want.Architecture) != "":
		line += "; " + guide.Platform(platform.Want.OS, platform.Want.Architecture)
	case errors.Is(err, dockerarchive.ErrLeftOut):
		line += " (for all else save the images again without --since, or with --format oci)"
	case errors.Is(err, layout.ErrLacking):
		line += " (an image is not whole: fetch it again; drayage verify names all that is missing)"
	case errors.Is(err, layout.ErrDamaged):
		line += " (drayage verify --repair DIR rebuilds it)"
	case errors.As(err, new(*usage.Error)):
		line += " (see " + e.helpLine() + ")"
	}
	return line
}

// helpLine is what to type to learn more about what was typed.
func (e *environment) helpLine() string {
	if e.command == "" || e.command == "help" {
		return "drayage --help"
	}
	return "drayage " + e.command + " --help"
}

// failed returns err. If there are several images it also shows the error, because the command goes on.
func (e *environment) failed(err error, images int) error {
	if images > 1 {
		e.tell.Say(tell.Line{Level: tell.Error, Event: "image", Message: e.describe(err),
			Code: report.Code(exitCode(context.Background(), err))})
	}
	return err
}

// outcome is the error of a command for several images, from the errors of these.
func outcome(errs []error) error {
	failed := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	switch {
	case len(failed) == 0:
		return nil
	case len(errs) == 1:
		return failed[0]
	}
	return &imagesFailed{failed[0], len(failed), len(errs)}
}
