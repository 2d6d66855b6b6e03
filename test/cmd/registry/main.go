// Registry runs distribution 3 on a free port of this machine, in memory, until its standard input ends. It
// prints its address, which is host:port. Programs of other modules start it, which cannot import package
// registry3. Usage:
//
//	go run ./cmd/registry [-user NAME -password PASSWORD]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"drayage/test/registry3"
)

func main() {
	var opts registry3.Options
	flag.StringVar(&opts.User, "user", "", "ask for this user `name`; empty: ask for none")
	flag.StringVar(&opts.Password, "password", "", "the user's `password`")
	flag.Parse()
	server, err := registry3.Start(context.Background(), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
	defer server.Close()
	fmt.Println(server.Addr())
	io.Copy(io.Discard, os.Stdin)
}
