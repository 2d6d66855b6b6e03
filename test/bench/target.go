//go:build linux

package bench

import (
	"fmt"
	"strings"
	"time"
)

// target is what is asked of a scenario.
type target struct {
	text    string
	measure func(*Report, *Result) (reached string, met, known bool)
}

// verdict is a target and what was measured.
type verdict struct {
	text, reached string
	met, known    bool
}

func (t target) judge(report *Report, result *Result) verdict {
	v := verdict{text: t.text}
	v.reached, v.met, v.known = t.measure(report, result)
	return v
}

// fasterThanPeers compares with the fastest of the other tools.
func fasterThanPeers(factor float64) target {
	return target{fmt.Sprintf("at least %s as fast as the best peer", times(factor)),
		func(_ *Report, r *Result) (string, bool, bool) {
			best := r.bestPeer()
			if best == nil {
				return "no peer is here", false, false
			}
			return speed(r.row("drayage"), best, factor)
		}}
}

// fasterThan compares with every tool of that name, skopeo and skopeo-new alike: with the fastest.
func fasterThan(peer, with string, factor float64) target {
	text := fmt.Sprintf("%s at least %s as fast as %s", with, times(factor), peer)
	return target{text, func(_ *Report, r *Result) (string, bool, bool) {
		best := r.best(func(row *Row) bool { return strings.HasPrefix(row.tool, peer) })
		return speed(r.row(with), best, factor)
	}}
}

func speed(own, other *Row, factor float64) (string, bool, bool) {
	if own == nil || other == nil || !own.measured() || !other.measured() {
		return "not measured", false, false
	}
	ratio := other.wall().Seconds() / own.wall().Seconds()
	return fmt.Sprintf("%s %s", times(ratio), other.tool), ratio >= factor, true
}

func withinLimit(factor float64) target {
	return target{fmt.Sprintf("at most %s the time of the limit", times(factor)),
		func(_ *Report, r *Result) (string, bool, bool) {
			own, limit := r.row("drayage"), r.best(func(row *Row) bool { return row.limit })
			if own == nil || limit == nil || !own.measured() {
				return "not measured", false, false
			}
			ratio := own.wall().Seconds() / limit.wall().Seconds()
			return times(ratio), ratio <= factor, true
		}}
}

// notLarger compares the blobs in the registry with those of skopeo.
func notLarger(with string, factor float64) target {
	text := fmt.Sprintf("blobs of %s at most %.0f%% of skopeo's", with, factor*100)
	return target{text, func(_ *Report, r *Result) (string, bool, bool) {
		own, other := r.row(with), r.row("skopeo")
		if own == nil || other == nil || !own.measured() || !other.measured() {
			return "not measured", false, false
		}
		ratio := float64(own.Output) / float64(other.Output)
		return fmt.Sprintf("%.1f%%", ratio*100), ratio <= factor, true
	}}
}

// writtenOnce allows for the file system's own blocks.
func writtenOnce() target {
	return target{"nothing written twice: bytes written at most 101% of the file",
		func(_ *Report, r *Result) (string, bool, bool) {
			own := r.row("drayage")
			if own == nil || !own.measured() {
				return "not measured", false, false
			}
			ratio := float64(own.middle(func(u Usage) int64 { return u.Written })) / float64(own.Output)
			return fmt.Sprintf("%.1f%%", ratio*100), ratio <= 1.01, true
		}}
}

// littleSent compares what the registry receives with what it has.
func littleSent(factor float64) target {
	return target{fmt.Sprintf("at most %.1f%% of the image sent", factor*100),
		func(_ *Report, r *Result) (string, bool, bool) {
			own := r.row("drayage")
			if own == nil || !own.measured() {
				return "not measured", false, false
			}
			ratio := float64(own.middle(func(u Usage) int64 { return u.Received })) / float64(own.Output)
			return fmt.Sprintf("%.3f%%", ratio*100), ratio <= factor, true
		}}
}

// littleCPU compares with the first push: what has not to be compressed may still be hashed.
func littleCPU(first string, factor float64) target {
	text := fmt.Sprintf("no recompression: CPU at most %.0f%% of that of the first push", factor*100)
	return target{text, func(report *Report, r *Result) (string, bool, bool) {
		own, before := r.row("drayage"), report.row(first, "drayage")
		if own == nil || before == nil || !own.measured() || !before.measured() {
			return "not measured", false, false
		}
		ratio := own.cpu().Seconds() / before.cpu().Seconds()
		return fmt.Sprintf("%.0f%%", ratio*100), ratio <= factor, true
	}}
}

func memoryBelow(mib int64) target {
	return target{fmt.Sprintf("less than %d MiB", mib), func(_ *Report, r *Result) (string, bool, bool) {
		most, known := int64(0), false
		for _, row := range r.Rows {
			if row.isDrayage() && row.measured() {
				most, known = max(most, row.peak()), true
			}
		}
		return fmt.Sprintf("%d MiB", most>>20), known && most < mib<<20, known
	}}
}

// fewGets bounds how often one blob is asked for.
func fewGets(n int) target {
	return target{fmt.Sprintf("at most %d GETs of a blob", n), func(_ *Report, r *Result) (string, bool, bool) {
		own := r.row("drayage")
		if own == nil || !own.measured() {
			return "not measured", false, false
		}
		return own.gets(), own.most() <= n, true
	}}
}

func sameMemory(other string) target {
	return target{"no more than with the 2 GB layer, within 10%",
		func(report *Report, r *Result) (string, bool, bool) {
			own, small := r.row("drayage"), report.row(other, "drayage")
			if own == nil || small == nil || !own.measured() || !small.measured() {
				return "not measured", false, false
			}
			ratio := float64(own.peak()) / float64(small.peak())
			return times(ratio), ratio <= 1.1, true
		}}
}

func times(f float64) string { return fmt.Sprintf("%.2fx", f) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
