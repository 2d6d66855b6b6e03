package htpasswd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// ErrBusy is the error of too many passwords that wait to be compared: somebody tries them out.
var ErrBusy = errors.New("too many passwords are being compared: try again later")

// maxWaiting is how many passwords may wait to be compared.
const maxWaiting = 128

// Check reports whether the user has the password. Only the first of several equal questions compares the
// hash, which takes a tenth of a second on purpose. The error is ErrBusy or that of ctx.
func (u *Users) Check(ctx context.Context, name, password string) (bool, error) {
	key := u.memory.key(name, password)
	if ok, known := u.memory.lookup(key); known {
		return ok, nil
	}
	if err := u.turns.take(ctx); err != nil {
		return false, err
	}
	defer u.turns.leave()
	if ok, known := u.memory.lookup(key); known { // somebody else asked the same meanwhile
		return ok, nil
	}
	hash, known := u.hashes[name]
	if !known {
		hash = u.stranger
	}
	ok := bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known
	u.memory.keep(key, ok)
	return ok, nil
}

// memory remembers questions and their answers. It holds no passwords, only sums that say nothing without the
// secret of this process.
type memory struct {
	secret []byte

	mu        sync.Mutex
	good, bad map[sum]struct{}
}

type sum = [sha256.Size]byte

// maxRemembered bounds each kind of answer. When there is no more room, all are forgotten.
const maxRemembered = 4096

func newMemory() *memory {
	m := &memory{secret: make([]byte, 32), good: map[sum]struct{}{}, bad: map[sum]struct{}{}}
	rand.Read(m.secret) // it never fails
	return m
}

// key is the sum of a question. The length of the name keeps name and password apart.
func (m *memory) key(name, password string) sum {
	h := hmac.New(sha256.New, m.secret)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write([]byte(password))
	return sum(h.Sum(nil))
}

func (m *memory) lookup(key sum) (ok, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.good[key]; ok {
		return true, true
	}
	_, known = m.bad[key]
	return false, known
}

func (m *memory) keep(key sum, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind := m.bad
	if ok {
		kind = m.good
	}
	if len(kind) >= maxRemembered {
		clear(kind)
	}
	kind[key] = struct{}{}
}

// turns lets half the processors compare passwords: the others go on to serve.
type turns struct {
	running chan struct{}
	waiting chan struct{}
}

func newTurns() *turns {
	n := max(runtime.GOMAXPROCS(0)/2, 1)
	return &turns{make(chan struct{}, n), make(chan struct{}, n+maxWaiting)}
}

func (t *turns) take(ctx context.Context) error {
	select {
	case t.waiting <- struct{}{}:
	default:
		return ErrBusy
	}
	select {
	case t.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-t.waiting
		return ctx.Err()
	}
}

func (t *turns) leave() { <-t.running; <-t.waiting }
