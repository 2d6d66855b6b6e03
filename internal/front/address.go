package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"drayage/internal/selfsigned"
)

// ErrInUse is wrapped by the error about an address at which another program listens.
var ErrInUse = errors.New("another program listens there")

// ErrAddress is wrapped by the error about an address that is none.
var ErrAddress = errors.New("no address to listen on")

// wsaInUse is what Windows says of an address that is in use.
const wsaInUse = syscall.Errno(10048)

func listen(ctx context.Context, addr string) (net.Listener, error) {
	if err := checkAddress(addr); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaInUse) {
		return nil, fmt.Errorf("listen on %s: %w", addr, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, cause(err))
	}
	return l, nil
}

// checkAddress explains what is wrong with the form of an address.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case strings.Contains(addr, "/"):
		return fmt.Errorf("%q is %w: it is not HOST:PORT", addr, ErrAddress)
	case err != nil && strings.Count(addr, ":") > 1 && !strings.HasPrefix(addr, "["):
		return fmt.Errorf("%q is %w: IPv6 stands in brackets: [%s]:5000", addr, ErrAddress, addr)
	case err != nil:
		return fmt.Errorf("%q is %w: it is not HOST:PORT, such as 127.0.0.1:5000 or :5000", addr, ErrAddress)
	case port == "":
		return fmt.Errorf("%q is %w: it has no port, as in %s", addr, ErrAddress, net.JoinHostPort(host, "5000"))
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
		return fmt.Errorf("%q is %w: ports end at 65535", addr, ErrAddress)
	}
	return nil
}

// isLoopback reports whether only this machine reaches the address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Host is what clients on other machines may call this one, with the port. If it listens on all addresses,
// that is a name of the certificate, or the first address that others reach.
func (f *Front) Host() string { return f.reached(f.listener.Addr()) }

// reached is how clients on other machines reach an address.
func (f *Front) reached(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return addr.String()
	}
	names := selfsigned.Names(f.opts.TLS.Names, "")
	for _, n := range names {
		if strings.Contains(strings.Trim(n, "*."), ".") || strings.Contains(n, ":") {
			return net.JoinHostPort(n, port)
		}
	}
	return net.JoinHostPort("localhost", port)
}

// cause leaves out what net says of the address, which the message names already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
