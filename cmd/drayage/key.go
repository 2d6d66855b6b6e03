package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/internal/report"
	"drayage/internal/sign"
	"drayage/internal/source"
	"drayage/internal/terminal"
)

// keyFlag is for commands that read an archive.
func keyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "key", Category: groupAccess,
		Usage: "read SOURCE only if a key in `FILE` has signed its set file: a public key of minisign, or " +
			"allowed signers of ssh; the public key itself will do too"}
}

// readKeys reads --key, before anything else is done.
func (c call) readKeys() error {
	texts := c.StringSlice("key")
	if len(texts) == 0 {
		return nil
	}
	keys, err := sign.ParseKeys(texts)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	c.keys = keys
	return nil
}

// trust returns the function that decides whether a set file is signed by a key of --key. It is nil if nobody
// has asked for a signature.
func (c call) trust() func(setFile string, set []byte) error {
	if c.keys == nil {
		return nil
	}
	return func(setFile string, set []byte) error {
		s, err := c.keys.Check(setFile, set)
		if err != nil {
			return err
		}
		c.saySigned(s)
		return nil
	}
}

// saySigned says who has signed a set file.
func (c call) saySigned(s *sign.Signed) {
	by := s.By
	if s.Who != "" {
		by = fmt.Sprintf("%s (%s)", terminal.Quote(s.Who), s.By)
	}
	if !s.Time.IsZero() {
		by += ", " + s.Time.Format("2006-01-02 15:04 MST")
	}
	if text := s.Remark(); text != "" {
		by += ", " + strconv.Quote(text)
	}
	c.note("%s: signed by %s", filepath.Base(s.File), by)
	r := report.Signature{File: s.File, Signature: s.Filename, Key: s.By, Principals: s.Who,
		KeyFile: s.KeyFile, Comment: s.Comment}
	if !s.Time.IsZero() {
		r.Time = s.Time.Format(time.RFC3339)
	}
	c.signed = append(c.signed, r)
}

// untrusted are the options for what need not be signed: what is read of it is compared with the digests that
// SOURCE has.
func untrusted(opts source.Options) source.Options {
	opts.Trust = nil
	return opts
}

// refuseRegistry refuses --key for what comes from a registry.
func (c call) refuseRegistry(name string) error {
	if c.keys == nil {
		return nil
	}
	return usagef("--key is for archives with a set file: %s comes from a registry", name)
}
