package manpage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/guide"
)

func TestPage(t *testing.T) {
	p := Page{
		Page: guide.Page{
			Name: "prog verb", Summary: "do what is needed", Usage: "prog verb NAME... -o DIR|oci:DIR",
			Text: "The first sentence. A second\none has --flag-name, 'quotes', C:\\x and ~.\n\n   a literal line\n" +
				"   .begins with a dot\n\nEXAMPLES:\n   prog verb  'x'\n\nMORE:\n\u00e9",
			Sections: []guide.Section{{Title: "what", Entries: []guide.Entry{
				{Head: "-o, --output DIR", Text: ".dots ..."},
				{Head: "    --strip PREFIX/", Text: "its text"},
			}}},
			Footer: "EXIT CODES:\n   0  done\n",
		},
		Version: "v1", Date: "2026-11-28",
		Files:   []guide.Entry{{Head: "~/x", Text: "a file"}},
		SeeAlso: []string{"prog", "prog-other"},
	}
	const want = `.\" Written by drayage man. A change belongs into the help texts of drayage.
.TH "PROG\-VERB" "1" "2026-11-28" "drayage v1" "drayage manual"
.nr HY 0
.nh
.ad l
.SH "NAME"
prog\-verb \- do what is needed
.SH "SYNOPSIS"
\fBprog\fR \fBverb\fR \fINAME\fR... \fB\-o\fR \fIDIR\fR|oci:\fIDIR\fR
.SH "DESCRIPTION"
The first sentence.
A second one has \fB\-\-flag\-name\fR, \(aqquotes\(aq, C:\ex and \(ti.
.PP
.EX
a literal line
\&.begins with a dot
.EE
.SH "OPTIONS"
.SS "What"
.TP
\fB\-o\fR, \fB\-\-output\fR \fIDIR\fR
\&.dots ...
.TP
\fB\-\-strip\fR \fIPREFIX/\fR
its text
.SH "EXAMPLES"
.EX
prog verb  \(aqx\(aq
.EE
.SH "MORE"
\[u00E9]
.SH "EXIT STATUS"
.EX
0  done
.EE
.SH "FILES"
.TP
\fB\(ti/x\fR
a file
.SH "SEE ALSO"
\fBprog\fR(1),
\fBprog\-other\fR(1)
`
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLinesAreBroken asks that lines of roff are short, and that dots at the end of a broken line end no
// sentence.
func TestLinesAreBroken(t *testing.T) {
	var r roff
	r.prose(strings.Repeat("word... ", 40))
	for line := range strings.Lines(r.String()) {
		if len(line) > 81 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
	if n := strings.Count(r.String(), "...\\&\n"); n != strings.Count(r.String(), "\n")-1 {
		t.Errorf("%d lines of dots:\n%s", n, r.String())
	}
}

func TestWideLiterals(t *testing.T) {
	var r roff
	r.literal([]string{strings.Repeat("x", literalColumns+1)})
	if !strings.HasPrefix(r.String(), ".in 3n\n.EX\n") || !strings.HasSuffix(r.String(), ".EE\n.in\n") {
		t.Errorf("%q", r.String())
	}
}

func TestSurroundings(t *testing.T) {
	variables, files := Environment([]string{"authfile"}), Files(nil)
	if !strings.Contains(variables[0].Text, "DRAYAGE_AUTHFILE") || len(variables) < 4 {
		t.Errorf("%v", variables)
	}
	if len(files) != 1 || !strings.HasSuffix(files[0].Head, "config.toml") {
		t.Errorf("%v", files)
	}
}
