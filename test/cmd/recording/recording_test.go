package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The recording is still what the commands print, but for numbers.
func TestRecordingIsUpToDate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no pseudo-terminal for this program on Windows")
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), // distribution leaves one behind for each registry
		goleak.IgnoreTopFunction("github.com/docker/go-events.(*Broadcaster).run"))
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "recording.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, recorded, _ := strings.Cut(string(raw), "```text\n")
	recorded, _, _ = strings.Cut(recorded, "```")
	bin := binary(t)
	s, err := record(t.Context(), bin, 16_000_000)
	for rate := 8_000_000; errors.Is(err, errTooFast) && rate > 1_000_000; rate /= 2 {
		s, err = record(t.Context(), bin, rate)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := form(s.transcript()), form(recorded); got != want {
		t.Errorf("docs/recording.md is old: run make recording. It has\n%s\nThe commands print\n%s", want, got)
	}
	var svg bytes.Buffer
	if err := s.drawSVG(&svg); err != nil {
		t.Fatal(err)
	}
	checkPicture(t, svg.Bytes())
}

func TestPicture(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "pictures", "recording.svg"))
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, raw)
}

// checkPicture looks whether a picture is XML without a script, small, and shows every command in the end.
func checkPicture(t *testing.T, raw []byte) {
	t.Helper()
	if len(raw) > 300_000 || bytes.Contains(raw, []byte("%!")) {
		t.Errorf("the picture has %d bytes, or a mistake of fmt", len(raw))
	}
	visible := map[string]bool{}
	inEnd := false
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" {
				t.Error("the picture has a script")
			}
			inEnd = token.Name.Local == "text" && !strings.Contains(token.Attr[0].Value, "gone")
		case xml.CharData:
			visible[string(token)] = visible[string(token)] || inEnd
		}
	}
	for _, line := range []string{fetchLine, saveLine, pushLine} {
		if !visible[prompt+line] {
			t.Errorf("%q is not shown in the end", line)
		}
	}
}

var (
	status   = regexp.MustCompile(`(?m)^fetch +\d+%.*$`)
	duration = regexp.MustCompile(`\b[0-9.]+(ms|s)\b`)
	amount   = regexp.MustCompile(`\b[0-9.]+ (MB|kB|B)\b`)
)

// form is a transcript without the numbers that differ between runs.
func form(transcript string) string {
	transcript = status.ReplaceAllString(transcript, "fetch ...")
	return amount.ReplaceAllString(duration.ReplaceAllString(transcript, "TIME"), "SIZE")
}

func TestForm(t *testing.T) {
	got := form("fetch  40%  6/10\nimages: 17.8 MB transferred in 2.31s (7.7 MB/s), sha256:ab12 in 120ms\n")
	want := "fetch ...\nimages: SIZE transferred in TIME (SIZE/s), sha256:ab12 in TIME\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScreen(t *testing.T) {
	for _, tc := range []struct {
		writes []string
		want   string
	}{
		{[]string{"one\r\ntwo"}, "one|two|"},
		{[]string{"half\rwh"}, "whlf||"},
		{[]string{"status\r", "\x1b[Jtext\r\nstatus\r"}, "text|status|"},
		{[]string{"status\r\x1b", "[", "J", "x"}, "x||"},
		{[]string{"a\r\nb\r\nc\r\nd"}, "b|c|d"},
		{[]string{"123456789"}, "12345678|9|"},
		{[]string{"\xc3", "\xa4"}, "ä||"},
	} {
		s := newScreen(8, 3)
		for _, w := range tc.writes {
			if err := s.write([]byte(w)); err != nil {
				t.Errorf("%q: %v", tc.writes, err)
			}
		}
		if got := strings.Join(s.text(), "|"); got != tc.want {
			t.Errorf("%q gives %q, want %q", tc.writes, got, tc.want)
		}
	}
	for _, unknown := range []string{"\x1b[31m", "\a", "\xff"} {
		if err := newScreen(8, 3).write([]byte(unknown)); err == nil {
			t.Errorf("%q is not refused", unknown)
		}
	}
}

func TestStays(t *testing.T) {
	s := &session{events: []event{
		{0, []byte("$ ")}, {time.Second, []byte("a")}, {2 * time.Second, []byte("\r\nb")},
	}}
	got, err := s.stays(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := []stay{
		{0, "$", 0, time.Second}, {0, "$ a", time.Second, 5 * time.Second},
		{1, "b", 2 * time.Second, 5 * time.Second},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}

// binary returns the drayage that is tested, and builds it where nobody has.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DRAYAGE_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "drayage")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/drayage")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}
