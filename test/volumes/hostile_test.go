//go:build linux

package volumes

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// hostile are set files that want to do harm. The archive that they name is not there.
func hostile() map[string]string {
	sum := "sha256:" + strings.Repeat("0", 64)
	blocks := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, 32*n)) }
	set := func(size, block, volume, volumes, last int64, n int) string {
		var list []string
		for i := range volumes {
			s := volume
			if i == volumes-1 {
				s = last
			}
			list = append(list, fmt.Sprintf(`{"size":%d,"sha256":%q}`, s, sum))
		}
		return fmt.Sprintf(`{"mediaType":"application/vnd.drayage.set.v1+json","name":"x.tar","size":%d,`+
			`"sha256":%q,"block":%d,"volume":%d,"volumes":[%s],"blocks":%q}`, size, sum, block, volume,
			strings.Join(list, ","), blocks(n))
	}
	const most = 16384
	return map[string]string{
		"as many blocks as there may be": set(most*mib, mib, 128*mib, 128, 128*mib, most),
		"one block more":                 set(most*mib+1, mib, 128*mib, 129, 1, most+1),
		"256 volumes":                    set(256*mib, mib, mib, 256, mib, 256),
		"a volume of 2^62 bytes":         set(1<<62, 1<<30, 1<<62, 1, 1<<62, 16),
		"sums that overflow":             set(-1<<63+1, 1<<30, 1<<62, 2, 1<<62, 16),
		"a block of a terabyte":          set(mib, 1<<40, 1<<40, 1, mib, 1),
		"a block of one byte":            set(mib, 1, mib, 1, mib, mib),
		"no blocks":                      set(0, mib, mib, 0, 0, 0),
		"a number beyond all": strings.Replace(
			set(mib, mib, mib, 1, mib, 1),
			`"block":1`,
			`"block":1e4001`,
			1,
		),
		"a number with a point": strings.Replace(
			set(mib, mib, mib, 1, mib, 1),
			`"block":`,
			`"block":0.`,
			1,
		),
		"deep": `{"mediaType":"application/vnd.drayage.set.v1+json","x":` + strings.Repeat("[", 3<<20) +
			strings.Repeat("]", 3<<20) + "}",
		"very many fields": `{"mediaType":"application/vnd.drayage.set.v1+json"` +
			strings.Repeat(`,"a":1`, 1<<20) + "}",
		"very many volumes": `{"mediaType":"application/vnd.drayage.set.v1+json","volumes":[{}` +
			strings.Repeat(`,{}`, 2<<20) + "]}",
		"9 MiB of blanks": strings.Repeat(" ", 9<<20),
		"an escape in a name": strings.Replace(set(mib, mib, mib, 1, mib, 1), `"x.tar"`,
			`"\u001b]0;gone\u0007.tar"`, 1),
	}
}

// TestHostileSets: a set file of a stranger costs little, names nothing outside its folder and is refused in
// one line.
func TestHostileSets(t *testing.T) {
	for what, set := range hostile() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(inside(setFile), []byte(set))
			before := snapshot(t, w.path(in))
			registry := newWitness(t)
			for _, args := range [][]string{
				{"verify", inside(setFile)}, {"inspect", in}, {"repair", inside(setFile)},
				{"push", inside(setFile), registry.Addr() + "/copy:1"},
				{"save", inside(setFile), "-o", "out/y.tar"},
			} {
				r := w.drayage(args...)
				if r.code != exitIntegrity && r.code != exitNotFound && r.code != exitUsage {
					t.Errorf("%s", r)
				}
				if r.peak > 2*memoryLimit {
					t.Errorf("%d MiB of memory: %s", r.peak>>20, r)
				}
				if len(r.stderr) > 4<<10 || strings.ContainsAny(r.said(), "\x1b\a") ||
					strings.Contains(r.stderr, "goroutine ") {
					t.Errorf("%.200s: %q", r.args, r.stderr[:min(len(r.stderr), 500)])
				}
			}
			if d := differences(before, snapshot(t, w.path(in))); len(d) > 0 || registry.writes() > 0 {
				t.Errorf("changed %q, %d requests to write", d, registry.writes())
			}
			if left := size(t, w.path("out")); left > 0 {
				t.Errorf("%d bytes in the output", left)
			}
		})
	}
}
