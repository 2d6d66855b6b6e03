#!/bin/sh
# Prints golden.txt: what the encoders make of the contents of the tests.
#
#   go test . -run TestContents -contents DIR
#   sh testdata/golden.sh DIR ENCODERS >testdata/golden.txt
#
# ENCODERS is a directory with programs gzip-1.12, pigz-2.8 and so on, and directories zlib-1.3.1 and so on that
# have a libz.so.1. Debian's Python compresses with these.
set -eu
contents=$1 encoders=$2

zlib() { # library, level, memLevel, file
	LD_LIBRARY_PATH=$1 /usr/bin/python3 -c '
import sys, zlib
c = zlib.compressobj(int(sys.argv[1]), 8, -15, int(sys.argv[2]))
sys.stdout.buffer.write(c.compress(open(sys.argv[3], "rb").read()) + c.flush())' "$2" "$3" "$4"
}

stream() { # encoder, level, file
	case $1 in
	zlib) zlib "$e" "$2" 8 "$3" ;;
	zlib9) zlib "$e" "$2" 9 "$3" ;;
	gzip) "$e" -nc "-$2" "$3" | tail -c +11 | head -c -8 ;;
	pigz) "$e" -nc -p 3 "-$2" "$3" | tail -c +11 | head -c -8 ;;
	esac
}

row() { # encoder, file
	for level in 1 2 3 4 5 6 7 8 9; do
		case $level${2##*/} in
		[2-8]mixed3000000) echo - && continue ;;
		esac
		stream "$1" $level "$2" | sha256sum | cut -c-16
	done | tr '\n' ' '
}

echo "# content, encoder, how each of the levels 1 to 9 compresses it: sha256, the first half of it, of raw deflate"
for encoder in zlib zlib9 gzip pigz; do
	names= table=
	for e in "$encoders/${encoder%9}"-*; do
		names="$names ${e##*-}"
		rows=$(for file in "$contents"/*; do echo "${file##*/} $encoder $(row $encoder "$file")"; done)
		[ -z "$table" ] || [ "$rows" = "$table" ] || { echo "$e differs from the others" >&2 && exit 1; }
		table=$rows
	done
	echo "# $encoder:$names"
	echo "$table"
done
