package htpasswd

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// line is that of a user. The lowest cost keeps tests fast.
func line(t testing.TB, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":" + string(hash) + "\n"
}

// writtenByHtpasswd was made by Debian's apache2-utils: htpasswd -nbB -C 5 ann secret
const writtenByHtpasswd = "ann:$2y$05$i1UdfffPuQk4dR9LLGQRxu4KWRVaNR/Ir.hEU2wmXE4HmiRRnKYtq\n"

func TestCheck(t *testing.T) {
	bob := strings.TrimSpace(line(t, "bob", "p:w")) + "\r\n"
	u, err := Parse([]byte("# users\n\n" + line(t, "ann", "secret") + bob))
	if err != nil || u.Len() != 2 {
		t.Fatal(u, err)
	}
	for range 2 { // the second time from memory
		for _, c := range []struct {
			name, password string
			ok             bool
		}{{"ann", "secret", true}, {"bob", "p:w", true}, {"ann", "p:w", false}, {"bob", "", false},
			{"", "", false}, {"eve", "secret", false}, {"annsecret", "", false}, {"an", "nsecret", false}} {
			if ok, err := u.Check(t.Context(), c.name, c.password); ok != c.ok || err != nil {
				t.Errorf("%q %q: %t %v", c.name, c.password, ok, err)
			}
		}
	}
}

func TestFileOfHtpasswd(t *testing.T) {
	u, err := Parse([]byte(writtenByHtpasswd))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := u.Check(t.Context(), "ann", "secret"); !ok || err != nil {
		t.Error(ok, err)
	}
}

// An unknown user takes the same work as a known one: the hash for strangers is a good one.
func TestStrangers(t *testing.T) {
	u, err := Parse([]byte(line(t, "ann", "secret")))
	if err != nil {
		t.Fatal(err)
	}
	err = bcrypt.CompareHashAndPassword(u.stranger, []byte("x"))
	if !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("%s: %v", u.stranger, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	good := line(t, "ann", "secret")
	hash := strings.TrimSpace(strings.TrimPrefix(good, "ann:"))
	for name, c := range map[string]struct{ text, says string }{
		"nothing":    {"# nobody\n", "names no user"},
		"MD5":        {"bob:$apr1$abc$def\n", `line 1: "bob" has an MD5 hash`},
		"SHA-1":      {good + "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", `line 2: "bob" has a SHA-1 hash`},
		"plain":      {"bob:hunter2\n", "a plain password"},
		"no hash":    {"bob\n", "USER:HASH"},
		"no user":    {":" + hash, "USER:HASH"},
		"cut short":  {good[:40], "damaged"},
		"twice":      {good + good, "twice"},
		"too costly": {"bob:" + strings.Replace(hash, "$04$", "$31$", 1), "cost 31"},
		"long":       {strings.Repeat("b", 2000) + ":" + hash, "more than 1024 bytes"},
		"not text":   {"b\xffb:" + hash, "UTF-8"},
		"huge":       {strings.Repeat("\n", 5<<20), "more than"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), hash)) {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
}

// Who tries out passwords keeps the processors busy no more than half, and those who wait are bounded.
func TestTurns(t *testing.T) {
	turns := newTurns()
	for range cap(turns.running) {
		if err := turns.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxWaiting {
		waiting.Go(func() {
			if err := turns.take(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for len(turns.waiting) < cap(turns.waiting) {
		if t.Context().Err() != nil {
			t.Fatal("they do not wait")
		}
	}
	if err := turns.take(t.Context()); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	cancel()
	waiting.Wait()
	turns.leave()
	if err := turns.take(t.Context()); err != nil {
		t.Error(err)
	}
}

// The memory is bounded, and keeps no password.
func TestMemory(t *testing.T) {
	m := newMemory()
	for i := range 3 * maxRemembered {
		m.keep(m.key("ann", strings.Repeat("x", i%70)+string(rune('a'+i%26))+strings.Repeat("y", i/70)), i%2 == 0)
	}
	if len(m.good) > maxRemembered || len(m.bad) > maxRemembered {
		t.Errorf("%d good, %d bad", len(m.good), len(m.bad))
	}
	if m.key("a", "b") == newMemory().key("a", "b") {
		t.Error("the sums of two processes are equal")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(line(f, "ann", "secret")))
	f.Add([]byte("bob:$apr1$abc$def\n"))
	f.Add([]byte("\ufeff# x\r\nbob:{SHA}x\n"))
	f.Add([]byte("a:$2y$99$" + strings.Repeat("x", 53)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := Parse(raw)
		if err != nil {
			return
		}
		if u.Len() == 0 {
			t.Error("no users and no error")
		}
		for name, hash := range u.hashes {
			if cost, err := bcrypt.Cost(hash); name == "" || err != nil || cost > 15 {
				t.Errorf("%q: %s: %v", name, hash, err)
			}
		}
	})
}
