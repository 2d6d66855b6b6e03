package main

import (
	"context"
	"io"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"drayage/internal/compression"
	"drayage/internal/fakeregistry"
)

// asked REGISTRY REPOSITORY N fails unless N blobs of the repository have been asked for as a whole since
// it was asked last.
func asked(ts *testscript.TestScript, _ bool, args []string) {
	r, ok := ts.Value(args[0]).(*fakeregistry.Registry)
	if !ok {
		ts.Fatalf("no registry %q", args[0])
	}
	n := 0
	for _, e := range r.Requests("GET", "/"+args[1]+"/blobs/") {
		if e.Range() == "" {
			n++
		}
	}
	r.Reset()
	if want, err := strconv.Atoi(args[2]); err != nil || n != want {
		ts.Fatalf("%d blobs of %s have been asked for, not %s", n, args[1], args[2])
	}
}

// unpack KIND FILE PLAIN writes to PLAIN what FILE holds, and fails unless that is compressed so.
func unpack(ts *testscript.TestScript, _ bool, args []string) {
	in, err := os.Open(ts.MkAbs(args[1]))
	ts.Check(err)
	defer in.Close()
	r, kind, err := compression.NewReader(context.Background(), in, nil)
	ts.Check(err)
	defer r.Close()
	if string(kind) != args[0] {
		ts.Fatalf("%s is %s, not %s", args[1], kind, args[0])
	}
	out, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	_, err = io.Copy(out, r)
	ts.Check(err)
	ts.Check(out.Close())
}
