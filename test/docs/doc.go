// Package docs holds the tests of the pages in docs and of README.md. They run every command that stands on a
// page, in order, against registries on this machine; they follow every link; and they compare what pages say
// of flags and exit codes with the command itself.
//
// Commands run as they stand. A loopback proxy answers for every registry that a page names, so nothing
// reaches the network. What a test cannot know stands in a comment before a block:
//
//	<!-- docs: skip REASON -->      the block is not run; there may be few of these
//	<!-- docs: exit 3 -->           the last drayage command of the block ends with exit code 3
//	<!-- docs: output -->           the block is what the block before it prints
//	<!-- docs: file NAME -->        the block is the file NAME, which is there before the page begins
//	<!-- docs: env NAME=VALUE -->   the block runs with this variable
//	<!-- docs: table -->            every call of drayage in the table is run, the last one of each row
//	<!-- docs: serve -->            the one command of the block serves until the next such block. It
//	                                listens at a free address, which stands for 127.0.0.1:5000 in the
//	                                commands that follow
//	<!-- docs: run COMMAND -->      COMMAND runs before the block, for what the page takes for granted
//
// "file" and "run" may have their text in the comment itself, on the lines below. A block whose first line
// begins with "$ " holds commands with their output. In output "..." stands for any text, and on a line of
// its own for any lines. Digests, sizes and times need not agree.
//
// Lines of other programs run too, if testdata/stub knows what to do in their place, or not at all.
package docs
