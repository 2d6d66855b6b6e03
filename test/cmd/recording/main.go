// Recording runs drayage in a terminal of its own and writes what a person would see there: a fetch that is
// interrupted, the same fetch again, save and push. It makes docs/pictures/recording.svg, which moves, and
// docs/recording.md, which has the same as text. It needs no network. Usage, in the directory test:
//
//	go run ./cmd/recording -drayage ../bin/drayage
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// rate is what each link carries a second: slow enough to watch, and to interrupt.
const rate = 8_000_000

func main() {
	drayage := flag.String("drayage", filepath.Join("..", "bin", "drayage"), "the `binary` to record")
	docs := flag.String("o", filepath.Join("..", "docs"), "write into this `DIR`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *drayage, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, drayage, docs string) error {
	s, err := record(ctx, drayage, rate)
	if err != nil {
		return err
	}
	picture := filepath.Join(docs, "pictures", "recording.svg")
	var svg, text bytes.Buffer
	if err := errors.Join(s.drawSVG(&svg), s.writeText(&text)); err != nil {
		return err
	}
	if err := os.WriteFile(picture, svg.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, "recording.md"), text.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %.1f s\n", picture, svg.Len(), s.clock.Seconds())
	return nil
}

// record plays the story on links of so many bytes a second.
func record(ctx context.Context, drayage string, rate int) (_ *session, err error) {
	binary, err := filepath.Abs(drayage)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("there is no drayage binary at %s; build it first with: make build", binary)
	}
	dir, err := os.MkdirTemp("", "drayage-recording-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := build(ctx, dir, rate)
	if err != nil {
		return nil, err
	}
	defer w.close()
	s := newSession(binary, dir, w.environment)
	return s, s.play(ctx)
}

// The story. The names are of example.com, which belongs to nobody.
const (
	fetchLine = "drayage fetch " + sourceHost + "/shop/web:2.1 --platform all -o images"
	saveLine  = "drayage save images --platform all --format oci -o web.tar"
	pushLine  = "drayage push web.tar " + privateHost + "/mirror/"
)

func (s *session) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	s.comment("# an image with two platforms, over a slow link")
	if err := s.command(ctx, fetchLine, 40, 130); err != nil {
		return err
	}
	s.comment("# the same command again goes on where it was")
	if err := s.command(ctx, fetchLine, 0, 0); err != nil {
		return err
	}
	s.comment("# one file to carry")
	if err := s.command(ctx, saveLine, 0, 0); err != nil {
		return err
	}
	s.comment("# behind the gap")
	if err := s.command(ctx, pushLine, 0, 0); err != nil {
		return err
	}
	s.show(prompt)
	return nil
}
