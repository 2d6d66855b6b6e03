#!/bin/sh
# Installs drayage @VERSION@ from a directory or a web server, without root and without a package manager. It
# compares the archive with SHA256SUMS, and that file with its signature if minisign is installed.
set -eu
umask 022 # what root installs is for everyone

version='@VERSION@'
url='@URL@'
public_key='@PUBLIC_KEY@'

usage() {
  cat <<EOF
Usage: sh install.sh [--prefix DIR] [--from DIR|URL] [--require-signature] [--uninstall]

  --prefix DIR         install into DIR/bin and DIR/share; an ordinary user has ~/.local, root /usr/local
  --from DIR|URL       where the archive and SHA256SUMS are: the directory of this script if they are there,
                       otherwise $url
  --require-signature  fail if the signature of SHA256SUMS cannot be checked
  --uninstall          remove what this script has installed
EOF
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

# fetch puts the file $1 of the release into $2.
fetch() {
  case $from in
  http://* | https://*)
    if command -v curl >/dev/null 2>&1; then
      curl -fsSL --retry 3 -o "$2" "$from/$1" || fail "cannot download $from/$1"
    elif command -v wget >/dev/null 2>&1; then
      wget -q -O "$2" "$from/$1" || fail "cannot download $from/$1"
    else
      fail "neither curl nor wget is installed: download the archive and SHA256SUMS elsewhere, and give --from DIR"
    fi
    ;;
  *)
    [ -f "$from/$1" ] || fail "$from has no file $1: it has to hold the archive and SHA256SUMS of $version"
    cp "$from/$1" "$2"
    ;;
  esac
}

# target prints what this machine is, as the names of archives have it.
target() {
  system=$(uname -s)
  machine=$(uname -m)
  case $system in
  Linux) os=linux ;;
  Darwin) os=darwin ;;
  MINGW* | MSYS* | CYGWIN*) fail "on Windows unpack the zip, or use scoop" ;;
  *) fail "there is no archive for $system" ;;
  esac
  case $machine in
  x86_64 | amd64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  armv7* | armv8l) arch=armv7 ;;
  ppc64le | s390x | riscv64) arch=$machine ;;
  *) fail "there is no archive for $system on $machine" ;;
  esac
  echo "${os}_$arch"
}

sum_of() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum "$1"
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 "$1"
  elif command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 -r "$1"
  else
    fail "neither sha256sum, shasum nor openssl is installed: the archive cannot be checked"
  fi
}

# check_signature compares SHA256SUMS with its signature, if that is possible.
check_signature() {
  if [ -z "$public_key" ]; then
    unchecked="this release is not signed"
  elif ! command -v minisign >/dev/null 2>&1; then
    unchecked="minisign is not installed"
  else
    fetch SHA256SUMS.minisig "$work/SHA256SUMS.minisig"
    minisign -Vqm "$work/SHA256SUMS" -P "$public_key" >&2 || fail "the signature of SHA256SUMS is wrong: nothing installed"
    echo "signature: right" >&2
    return
  fi
  [ "$require_signature" = no ] || fail "the signature cannot be checked: $unchecked"
  echo "signature: not checked, $unchecked" >&2
}

check_sum() {
  want=$(awk -v name="$1" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ -n "$want" ] || fail "SHA256SUMS from $from does not list $1: is it a web page, or of another version?"
  got=$(sum_of "$work/$1")
  got=${got%% *}
  [ "$got" = "$want" ] || fail "$1 has the SHA-256 $got, SHA256SUMS says $want: nothing installed"
  echo "SHA-256: right" >&2
}

# put copies the file $1 to $2 with the mode $3. The file appears whole. A program has to run first: an older one
# that works is not lost.
put() {
  [ -f "$1" ] || return 0
  mkdir -p "${2%/*}" || fail "cannot make the directory ${2%/*}: give another one with --prefix"
  new=$2.new
  cp "$1" "$new" || fail "cannot write into ${2%/*}: give another directory with --prefix"
  chmod "$3" "$new"
  if [ "$3" = 755 ]; then
    "$new" --version >/dev/null || fail "the program does not run in ${2%/*} on this machine: nothing installed"
  fi
  mv -f "$new" "$2"
  new=''
}

install() {
  put "$1/drayage" "$prefix/bin/drayage" 755
  for page in "$1"/man/man1/*; do
    put "$page" "$prefix/share/man/man1/${page##*/}" 644
  done
  put "$1/completions/drayage.bash" "$prefix/share/bash-completion/completions/drayage" 644
  put "$1/completions/_drayage" "$prefix/share/zsh/site-functions/_drayage" 644
  put "$1/completions/drayage.fish" "$prefix/share/fish/vendor_completions.d/drayage.fish" 644
}

uninstall() {
  rm -f "$prefix/bin/drayage" "$prefix"/share/man/man1/drayage.1 "$prefix"/share/man/man1/drayage-*.1 \
    "$prefix/share/bash-completion/completions/drayage" "$prefix/share/zsh/site-functions/_drayage" \
    "$prefix/share/fish/vendor_completions.d/drayage.fish"
  echo "removed from $prefix" >&2
}

main() {
  prefix=${PREFIX:-}
  from=''
  require_signature=no
  removing=no
  while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --from)
      [ -n "${2:-}" ] || fail "$1 needs a value"
      if [ "$1" = --prefix ]; then prefix=$2; else from=$2; fi
      shift
      ;;
    --prefix= | --from=) fail "${1%=} needs a value" ;;
    --prefix=*) prefix=${1#*=} ;;
    --from=*) from=${1#*=} ;;
    --require-signature) require_signature=yes ;;
    --uninstall) removing=yes ;;
    -h | --help)
      usage
      return
      ;;
    *) fail "unknown argument $1: see --help" ;;
    esac
    shift
  done
  if [ -z "$prefix" ]; then
    if [ "$(id -u)" -eq 0 ]; then
      prefix=/usr/local
    else
      prefix=${HOME:?}/.local
    fi
  fi
  case $prefix in
  /*) ;;
  *) prefix=$PWD/$prefix ;;
  esac
  if [ "$removing" = yes ]; then
    uninstall
    return
  fi
  if [ -z "$from" ]; then
    from=$url
    here=$(dirname "$0")
    [ ! -f "$here/SHA256SUMS" ] || from=$here
  fi
  from=${from%/}
  name=drayage_${version}_$(target)
  new=''
  work=$(mktemp -d)
  trap 'rm -rf "$work" ${new:+"$new"}' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  fetch SHA256SUMS "$work/SHA256SUMS"
  check_signature
  fetch "$name.tar.gz" "$work/$name.tar.gz"
  check_sum "$name.tar.gz"
  tar -xzf "$work/$name.tar.gz" -C "$work"
  install "$work/$name"
  echo "installed $prefix/bin/drayage $version" >&2
  case :$PATH: in
  *":$prefix/bin:"*) ;;
  *) echo "To run it as drayage: export PATH=\"$prefix/bin:\$PATH\"" >&2 ;;
  esac
}

main "$@" # all of the script has arrived when this line runs
