//go:build linux

package serving

import (
	"flag"
	"testing"
	"time"

	"drayage/test/reliability"
)

var update = flag.Bool("update", false, "enter the outcomes into the results of package reliability")

// trials are what the tests of this package do to a server, in the order of the table. A test that has
// passed enters what came of it.
var trials = []struct{ test, done, came string }{
	{"TestManyPulls", "64 clients pull an image of 43 MB at once, some in ranges", ""},
	{"TestRudeClients", "64 clients read slowly, 64 hang up, 200 say nothing, 200 send garbage", ""},
	{"TestDamage", "a byte of a layer is wrong; 32 clients pull it and 32 another image", ""},
	{"TestDamageMeanwhile", "a byte is changed behind what 64 clients have read of a layer", ""},
	{"TestReload", "the archive is replaced 12 times under 16 clients that pull, with SIGHUP", ""},
	{"TestReloadOfNonsense", "the archive is replaced with nonsense, and SIGHUP", ""},
	{"TestArchiveGone", "the archive is deleted, cut to 1000 bytes, or the layout is deleted", ""},
	{"TestStop", "SIGTERM while 8 clients read, and one of them stops reading", ""},
	{"TestStartReadsLittle", "a tar of 10 GiB is served", ""},
}

// came enters what came of a test, if it has passed.
func came(t *testing.T, what string) {
	t.Helper()
	if t.Failed() {
		return
	}
	for i := range trials {
		if trials[i].test == t.Name() {
			trials[i].came = what
			return
		}
	}
	t.Fatalf("%s is not in the table", t.Name())
}

// enter writes the table, if all of it was tried.
func enter() error {
	if !*update {
		return nil
	}
	s := reliability.Section{
		Title: "Serving under load", Date: time.Now().UTC().Format(time.DateOnly),
		Source: "cd test && go test ./serving -update",
		Text: "Clients that share no code with `drayage serve` ask it, and compare every digest. When those of " +
			"the first two rows have gone, the server has no more files open and no more goroutines than before.",
		Head: []string{"what is done", "what comes of it"},
	}
	for _, trial := range trials {
		if trial.came == "" {
			return nil // a run of some tests
		}
		s.Rows = append(s.Rows, []string{trial.done, trial.came})
	}
	return s.Save("../reliability/testdata", "26-serving")
}
