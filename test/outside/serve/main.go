// Serve is a read-only registry of the images in a layout, until its standard input ends. It prints its
// address. Usage: serve LAYOUT
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"drayage/layout"
	"drayage/serve"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal("serve: ", err)
	}
}

func run(path string) error {
	l, err := layout.New(os.DirFS(path))
	if err != nil {
		return err
	}
	images, err := l.Images()
	if err != nil {
		return err
	}
	shelf := serve.Shelf{Name: path, Content: l}
	for _, im := range images {
		shelf.Images = append(shelf.Images, serve.Image{Names: []string{im.Name}, Root: im.Descriptor,
			Subject: im.Subject, Tag: im.Tag})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: serve.New(serve.NewCatalog([]serve.Shelf{shelf}), serve.Options{
		Observe: func(e serve.Event) {
			if e.Err != nil {
				log.Print(e.What, " ", e.Reference, ": ", e.Err)
			}
		},
	})}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
