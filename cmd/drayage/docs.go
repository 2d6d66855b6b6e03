package main

import (
	"context"
	"io"
	"io/fs"

	"github.com/urfave/cli/v2"

	"drayage/docs"
	"drayage/internal/complete"
	"drayage/internal/handbook"
)

const docsHelp = `Shows the pages of the documentation, which are in this binary: no network is
needed. Without a PAGE it lists them. On a terminal a page comes as text, and
elsewhere as the Markdown that it is. PAGE#SECTION shows one section.

EXAMPLES:
   drayage docs
   drayage docs troubleshooting --text | less
   drayage docs recipes#carry-images
   drayage docs --search rate limit
   drayage docs -o drayage-docs`

func docsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "docs",
		Category:    commandsHelp,
		Usage:       "show the pages of the documentation",
		UsageText:   "drayage docs [PAGE]",
		Description: docsHelp,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "search", Category: groupWhat,
				Usage: "list the sections that have all the words that stand as arguments"},
			&cli.BoolFlag{Name: "text", Category: groupOutput, Usage: "as text also where there is no terminal"},
			&cli.BoolFlag{Name: "markdown", Category: groupOutput, Usage: "as Markdown also on a terminal"},
			dirFlag(),
		},
		Action: env.run(call.docs),
	}
}

func (c call) docs(context.Context) error {
	book, err := handbook.New(docs.Files)
	if err != nil {
		return err
	}
	words := c.Args().Slice()
	text := ""
	switch {
	case c.Bool("search") && (len(words) == 0 || words[0] == ""):
		return usagef("--search needs a word to look for")
	case c.Bool("search"):
		if text = book.Search(words); text == "" {
			return &notThere{"docs: no section has these words: try fewer", fs.ErrNotExist}
		}
	case c.IsSet("output") && len(words) > 0:
		return usagef("docs -o writes all pages: leave out %q", words[0])
	case c.IsSet("output"):
		return c.writePages(c.String("output"), book.Files)
	case len(words) == 0:
		text = book.List() + "\nOne of them: drayage docs PAGE. What is in them: drayage docs --search WORD.\n"
	case len(words) > 1:
		return usagef("docs takes one page: %d given; drayage docs --search looks for words", len(words))
	default:
		page, err := book.Find(words[0])
		if err != nil {
			return err
		}
		text = page.Markdown()
		if c.Bool("text") || isTerminal(c.rawOut) && !c.Bool("markdown") {
			text = book.Text(page)
		}
	}
	_, err = io.WriteString(c.stdout, text)
	return err
}

// docsPages are the pages for completion.
func docsPages() (all []complete.Candidate) {
	book, err := handbook.New(docs.Files)
	if err != nil {
		return nil
	}
	for _, p := range book.Pages() {
		all = append(all, complete.Candidate{Word: p.Name, Text: p.About})
	}
	return all
}
