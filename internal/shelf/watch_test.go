package shelf_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"drayage/dockerarchive"
	"drayage/internal/shelf"
	"drayage/internal/source"
	"drayage/serve"
)

// What arrives while a folder is opened for the first time is not overlooked.
func TestWatchBeginsBeforeTheFirstOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.tar"), archive(t, dockerarchive.OCI, "docker.io/library/a:1", "a"))
	s := open(t, shelf.Options{}, dir)
	write(t, filepath.Join(dir, "b.tar"), archive(t, dockerarchive.OCI, "docker.io/library/b:1", "b"))
	reg := serve.New(serve.NewCatalog(s.Shelves), serve.Options{})
	changed := make(chan *shelf.Shelves, 1)
	k := &shelf.Keeper{Specs: []source.Spec{parse(t, dir)}, Registry: reg, Every: time.Millisecond,
		Changed: func(_, now *shelf.Shelves) { changed <- now }, Failed: func(err error) { t.Error(err) }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx, s, nil, true)
	}()
	select {
	case now := <-changed:
		if want := []string{"docker.io/library/a:1", "docker.io/library/b:1"}; !slices.Equal(now.Names, want) {
			t.Errorf("served: %v", now.Names)
		}
	case <-time.After(time.Minute):
		t.Error("nobody has looked")
	}
	stop()
	<-ended
	k.Close()
}

// A look at a folder costs as much for each archive in a large one as in a small one.
func TestLooksAtLargeFolders(t *testing.T) {
	cost := func(n int) float64 {
		dir := t.TempDir()
		for i := range n {
			write(t, filepath.Join(dir, fmt.Sprintf("%03d.tar", i)), []byte("no archive"))
		}
		spec := []source.Spec{parse(t, dir)}
		return testing.AllocsPerRun(1, func() { shelf.Look(spec) })
	}
	if few, many := cost(100), cost(400); many > 6*few {
		t.Errorf("%v for 100 archives, %v for 400", few, many)
	}
}
