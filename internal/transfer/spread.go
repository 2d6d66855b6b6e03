package transfer

import (
	"time"

	"drayage/internal/retry"
)

const (
	// SplitSize is the size in bytes from which on a blob may be read by several streams. Below it a second
	// request costs more than it brings, and [Fill] writes in order.
	SplitSize = 8 << 20
	// maxStreams is how many extra streams one blob gets at most, and someStreams how many where requests do not
	// begin promptly, before these have shown that more would help.
	maxStreams, someStreams = 32, 16
	prompt                  = 50 * time.Millisecond

	judgeEvery = 10 * time.Millisecond
	tooShort   = 100 * time.Millisecond // what is done after that is left to the stream that does it
	firstPause = 250 * time.Millisecond // in which no extra streams are tried after some were of no use
	maxPause   = 30 * time.Second
	enough     = 1.5  // times the pace of one stream: several pay
	tooLittle  = 1.25 // times the pace of one stream: several do not
)

// spread decides by how many streams a blob is read. It begins with one request for the whole blob. If that
// proves slow, one extra stream asks for a part that lies ahead, and takes it over only if its first byte
// comes in time. So nothing is lost where each request takes long to begin. After that come more extra
// streams. If they are of no use, they end and one stream goes on alone.
type spread struct {
	link    link
	alone   float64       // bytes a second of the one stream
	burst   int64         // bytes that its request had brought when it proved slow
	allowed int           // extra streams; 0: one at most, to find out
	since   time.Duration // when what is being measured began, by the clock of measure,
	had     int64         // and the bytes that were there
	after   time.Time     // when extra streams may be tried again
	failed  int           // tries in a row
	never   bool          // the source refuses
}

// begins is how long a request takes to begin.
func (s *spread) begins() time.Duration { return time.Duration(s.link.latency.Load()) }

// ready reports whether it makes sense to try an extra stream now.
func (s *spread) ready() bool { return !s.never && !time.Now().Before(s.after) }

// worth reports whether an extra stream could help with what is left of a request at that pace.
func (s *spread) worth(left int64, rate float64) bool {
	return rate == 0 && left > 0 || float64(left) > rate*(3*s.begins()+tooShort).Seconds()
}

// helps reports whether another stream should take a part of what is left to one of that pace. While there is
// one stream only, that is to be found out. Where streams of a typical pace read side by side, what is cut
// off costs a request, and also what is on its way of it.
func (s *spread) helps(st *stream, left int64, rate, typical float64) bool {
	switch {
	case !s.worth(left, rate):
		return false
	case s.allowed == 0:
		return true
	case rate == 0:
		return st.pace.stuck()
	}
	return left > leastPiece || rate < typical/4
}

// ahead is how far ahead of a stream the part has to lie that an extra stream asks for.
func (s *spread) ahead(rate float64) int64 {
	return int64(rate * (2*s.begins() + tooShort).Seconds())
}

// piece is the least that a stream of that pace is to ask for: what comes in two seconds. With more, slow
// streams would end late, or others would have to cut them short. Where requests are held it is what comes at
// once.
func (s *spread) piece(rate float64) int64 {
	return max(leastPiece, min(int64(2*rate), minPiece), s.atOnce(rate), s.underway(rate))
}

// atOnce is what another request may bring at once, where the first one did and then next to nothing: a bit
// less than that, because the last bytes of more would be long in coming. Elsewhere it is 0.
func (s *spread) atOnce(rate float64) int64 {
	if int64(2*rate) >= leastPiece {
		return 0
	}
	return min(s.burst-s.burst/8, maxPiece)
}

// underway is how many bytes a stream of that pace brings in the time that a request takes to begin.
func (s *spread) underway(rate float64) int64 { return int64(rate * s.begins().Seconds()) }

// inTime is called when an extra stream has begun before the stream of that pace has come to its part. From
// then on the bytes that have come are measured.
func (s *spread) inTime(alone float64, moved int64, clock time.Duration) {
	if s.allowed == 0 {
		s.alone, s.allowed = alone, someStreams
		if s.begins() < prompt {
			s.allowed = maxStreams
		}
		s.since, s.had = clock, moved
	}
}

// measure looks at what extra streams bring. Moved is how many bytes have come, and clock the time in which
// they could come. It reports whether extra streams are of no use and have to end.
func (s *spread) measure(extra int, moved int64, clock time.Duration) (end bool) {
	took := clock - s.since
	pace := float64(moved-s.had) / max(took.Seconds(), 1e-9)
	switch {
	case s.allowed == 0:
		return false
	case s.allowed < maxStreams && took >= window+s.begins() && pace >= enough*s.alone:
		s.allowed = maxStreams
	case extra > 0 && took < 2*s.begins()+firstPause:
		return false
	case extra > 0 && pace < tooLittle*s.alone:
		s.useless()
		return true
	}
	s.since, s.had = clock, moved
	return false
}

// useless is called when extra streams have been of no use.
func (s *spread) useless() {
	s.allowed = 0
	s.after = time.Now().Add(min((firstPause+s.begins())<<min(2*s.failed, 8), maxPause))
	s.failed++
}

// lost is called when an extra stream has brought nothing of the part that it asked for. Where others are of
// use it may only have been late.
func (s *spread) lost(err error) {
	passing := err == errOvertaken || retry.IsTransient(err)
	if passing && s.allowed > 0 {
		s.after = time.Now().Add(max(prompt, s.begins()))
		return
	}
	s.useless()
	s.never = !passing
}
