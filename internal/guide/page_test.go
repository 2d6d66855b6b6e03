package guide

import (
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	p := Page{
		Name: "prog verb", Summary: "do something", Usage: "prog verb ARGUMENT",
		Text: "A first line\nand a second one.\n\nEXAMPLES:\n   prog verb  x      with   spaces",
		Sections: []Section{{"what", []Entry{
			{"-o, --output DIR", strings.Repeat("word ", 20)},
			{"    --a-flag-with-a-very-long ARGUMENT", "its text"},
			{"    --bare", ""},
		}}},
		Footer: "CODES:\n   0  done\n",
	}
	const want = `NAME:
   prog verb - do something

USAGE:
   prog verb ARGUMENT

   A first line and a second one.

EXAMPLES:
   prog verb  x      with   spaces

WHAT:
   -o, --output DIR  word word word word word word word word word word word
                     word word word word word word word word word
       --a-flag-with-a-very-long ARGUMENT
                     its text
       --bare

CODES:
   0  done
`
	var b strings.Builder
	if err := p.Write(&b); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestWordsThatAreTooLong(t *testing.T) {
	long := strings.Repeat("x", Columns+1)
	if got, want := Hang("  ", "a "+long+" b", 2), "  a\n  "+long+"\n  b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
