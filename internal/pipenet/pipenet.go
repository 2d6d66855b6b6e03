// Package pipenet is a network inside the process, for tests. Http servers and clients behave on it as on a
// real one, but without sockets, so that they can run under testing/synctest, where hours pass at once. Make
// a Net, serve on Net.Listen and give Net.DialContext to the http.Transport.
package pipenet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Net is a network without any host. It may be used concurrently.
type Net struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// Listen makes address, which is a name with a port, reachable until the listener is closed.
func (n *Net) Listen(address string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	l := &listener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l
}

// DialContext connects to an address on which somebody listens. All others refuse connections.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Addr: name(address), Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	address string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return name(l.address) }

type name string

func (n name) Network() string { return "pipe" }
func (n name) String() string  { return string(n) }
