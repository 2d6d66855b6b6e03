package main

import (
	"fmt"
	"io"
	"strings"
)

const page = `# A recording

This is a real run of drayage in a terminal, made by ` + "`make recording`" + `. Two registries ran on the same machine,
under names of example.com. Both links were held at 8 MB a second, so that there is something to see and to
interrupt. Only the typing is drawn.

![drayage in a terminal](pictures/recording.svg)

The same as text:

<!-- docs: skip a recording: test/cmd/recording compares it with what the commands print -->

` + "```text\n%s```\n" + `
- Ctrl-C ended the first fetch. It said what was kept, and that the same command goes on.
- The second fetch transferred only what was missing. The layers that had arrived in part went on in the
  middle.
- The digest that ` + "`push`" + ` prints is the one that ` + "`fetch`" + ` printed. All platforms travelled.
`

// writeText writes the recording as a page.
func (s *session) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, page, s.transcript())
	return err
}

// transcript is what stood on the terminal after each command, and the status line at the moment of Ctrl-C.
func (s *session) transcript() string {
	var b strings.Builder
	for _, st := range s.steps {
		fmt.Fprintf(&b, "%s%s\n", prompt, st.line)
		if st.moment != "" {
			fmt.Fprintf(&b, "%s\n^C\n", st.moment)
		}
		for _, line := range st.output {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}
