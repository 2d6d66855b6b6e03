package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

const count = "fuzz: elapsed: 3s, execs: 1234 (411/sec), new interesting: 3 (total: 40)\n"

// TestWild56OnlyFailingInputsAreFindings has what the test binaries that Go builds for fuzzing say before
// they exit with 1.
func TestWild56OnlyFailingInputsAreFindings(t *testing.T) {
	for name, tc := range map[string]struct {
		says    string
		finding bool
	}{
		"the end of the time, taken for a failure by Go (golang/go#48591)": {
			count + "--- FAIL: FuzzX (3.08s)\n    context deadline exceeded\nFAIL\n", false,
		},
		"a failing input": {count +
			"--- FAIL: FuzzX (0.03s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:9: wrong\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzX/1\n    To re-run:\n    go test -run=FuzzX/1\nFAIL\n",
			true},
		"a failing input that speaks of a deadline": {count +
			"--- FAIL: FuzzX (0.03s)\n    --- FAIL: FuzzX (0.00s)\n" +
			"        x_test.go:9: context deadline exceeded\n    \n    Failing input written to " +
			"testdata/fuzz/FuzzX/1\nFAIL\n", true},
		"a failing seed": {"fuzz: elapsed: 0s, gathering baseline coverage: 1/3 completed\n" +
			"failure while testing seed corpus entry: FuzzX/seed#1\n--- FAIL: FuzzX (0.03s)\nFAIL\n", true},
		"nothing tried before the end of the time": {"--- FAIL: FuzzX (3.08s)\n    context deadline " +
			"exceeded\nFAIL\n", true},
		"a crash": {count + "panic: no worker\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "says"), []byte(tc.says), 0o600); err != nil {
				t.Fatal(err)
			}
			binary := filepath.Join(dir, "fuzz")
			if err := os.WriteFile(binary, []byte("#!/bin/sh\ncat says\nexit 1\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			x := &target{name: "FuzzX", dir: dir, binary: binary}
			if _, err := x.run(t.Context(), time.Second); (err != nil) != tc.finding {
				t.Errorf("a finding: %v", err)
			}
		})
	}
}
