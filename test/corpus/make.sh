#!/usr/bin/env bash
# Makes those archives of testdata/archives that tools write, with what the tools say is in them, and brings facts.json and
# README.md up to date. It needs root, jq, what .ci/install-tools installs, and crane and regctl in PEERS (or on the PATH); of a tool that
# is absent the archives stay as they are. Everything runs in a temporary directory, daemons listen on the loopback interface.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
archives=$(cd "$here/../../testdata/archives" && pwd)
work=$(mktemp -d /tmp/corpus-XXXXXX)
user_home=$HOME
PATH=${PEERS:-/usr/local/bin}:$PATH:/usr/sbin:/sbin
export PATH TZ=UTC LANG=C.UTF-8 HOME=$work/home DOCKER_BUILDKIT=0 DOCKER_HOST=unix://$work/docker.sock CONTAINERS_CONF=$work/containers.conf
export DOCKER_CONFIG=$work/home/.docker XDG_RUNTIME_DIR=$work/run TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot
mkdir -p "$HOME/.docker" "$work/run" "$work/tmp" "$work/out"
echo '{}' >"$DOCKER_CONFIG/config.json"
printf '[containers]\nlog_driver = "k8s-file"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nlock_type = "file"\n' >"$CONTAINERS_CONF"
cd "$work"

daemons=()
finish() {
  local pid
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

start() { # start NAME READY COMMAND...: run a daemon and wait until READY succeeds
  local name=$1 ready=$2
  shift 2
  "$@" >"$work/$name.log" 2>&1 &
  daemons+=($!)
  for _ in $(seq 150); do
    if eval "$ready" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  tail "$work/$name.log" >&2
  exit 1
}

# --- what the tools are

registry=127.0.0.1:5997
cat >registry.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: $registry}
END
cat >containerd.toml <<END
version = 2
root = "$work/containerd"
state = "$work/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$work/containerd.sock"
END
start dockerd 'docker version' dockerd --iptables=false --bridge=none -H "$DOCKER_HOST" --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid"
start registry "curl -s http://$registry/v2/ || wget -qO- http://$registry/v2/" docker-registry serve registry.yml
start containerd "ctr -a $work/containerd.sock version" containerd --config containerd.toml
podman() { command podman --root "$work/podman" --runroot "$work/podman-run" --tmpdir "$work/podman-tmp" --storage-driver vfs "$@"; }
buildah() { command buildah --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs "$@"; }
skopeo() { command skopeo --insecure-policy "$@"; }
ctr() { command ctr -a "$work/containerd.sock" "$@"; }
has() { command -v "$1" >/dev/null; }

docker_version="docker $(docker version --format '{{.Server.Version}}' | cut -d+ -f1)"
podman_version="podman $(podman version --format '{{.Client.Version}}')"
skopeo_version="skopeo $(skopeo --version | cut -d' ' -f3)"
buildah_version="buildah $(buildah --version | cut -d' ' -f3)"
umoci_version="umoci $(umoci --version | cut -d' ' -f3 | cut -d+ -f1)"
ctr_version="ctr $(ctr --version | cut -d' ' -f3 | cut -d~ -f1)"
tar_version="GNU tar $(tar --version | sed -n '1s/.* //p')"

# --- facts, one JSON document an archive

kept=$work/recorded.json
jq -c '.[] | select(.command)' "$archives/facts.json" >"$kept" 2>/dev/null || : >"$kept"

# record FILE WRITER QUIRK COMMAND IMAGES: keep an archive and what is in it
record() {
  cp "$work/out/$1" "$archives/$1"
  chmod 644 "$archives/$1"
  jq -c --arg file "$1" 'select(.file != $file)' "$kept" >"$kept.new"
  jq -nc --arg file "$1" --arg writer "$2" --arg quirk "$3" --arg command "$4" --argjson images "$5" \
    '{file: $file, writer: $writer, quirk: $quirk, command: $command, images: $images}' >>"$kept.new"
  mv "$kept.new" "$kept"
  echo "$1: $(stat -c %s "$archives/$1") bytes"
}

# make FILE WRITER QUIRK IMAGES COMMAND: run a command in the output directory and record what it made. IMAGES is a command too, which
# prints each image as JSON afterwards.
make() {
  local file=$1 writer=$2 quirk=$3 images=$4 command=$5
  (cd "$work/out" && eval "$command") >"$work/make.log" 2>&1 || { cat "$work/make.log" >&2; exit 1; }
  command=${command//--src-daemon-host \$DOCKER_HOST /}
  command=${command//\$registry/registry.example}
  command=${command//\$tagged/registry.example/team}
  record "$file" "$writer" "$quirk" "$command" "$(eval "$images" | jq -cs .)"
}

image() { # image DIGEST PLATFORMS NAME...: one image as facts.json has it
  local digest=$1 platforms=$2
  shift 2
  jq -nc --arg digest "$digest" --argjson platforms "$platforms" '{names: $ARGS.positional, digest: $digest, platforms: $platforms}' --args -- "$@" |
    jq -c 'if .digest == "" then del(.digest) else . end | if .names == [] then del(.names) else . end'
}
of_docker() { docker image inspect --format '[{"platform":"{{.Os}}/{{.Architecture}}","id":{{json .Id}},"diffIDs":{{json .RootFS.Layers}}}]' "$1"; }
of_podman() { podman image inspect --format '[{"platform":"{{.Os}}/{{.Architecture}}","id":"sha256:{{.Id}}","diffIDs":{{json .RootFS.Layers}}}]' "$1"; }
of_skopeo() { # what skopeo reads of a source, by hashing the configuration
  skopeo inspect --config --raw "$@" >"$work/config.json"
  jq -c --arg id "sha256:$(sha256sum <"$work/config.json" | cut -d' ' -f1)" '[{platform: (.os + "/" + .architecture), id: $id, diffIDs: .rootfs.diff_ids}]' "$work/config.json"
}
digest_of() { echo "sha256:$(skopeo inspect --raw "$@" | sha256sum | cut -d' ' -f1)"; }

from_docker() { image '' "$(of_docker "$1")" "${@:2}"; }
from_podman() { image '' "$(of_podman "$1")" "${@:2}"; }
from_skopeo() { image '' "$(of_skopeo "docker-archive:out/$1")" "${@:2}"; }
from_oci() { image "$(digest_of "oci-archive:out/$1")" "$(of_skopeo "oci-archive:out/$1")" "${@:2}"; }

context() { # context DIR LINES...: a Dockerfile of files that hold the words after their names
  mkdir -p "$1"
  printf 'FROM scratch\n' >"$1/Dockerfile"
  local line
  for line in "${@:2}"; do
    echo "${line#* }" >"$1/${line%% *}"
    echo "COPY ${line%% *} /opt/${line%% *}" >>"$1/Dockerfile"
  done
  echo 'CMD ["/none"]' >>"$1/Dockerfile"
}

. "$here/archives.sh"

HOME=$user_home go -C "$here/.." run ./cmd/corpus -recorded "$kept"
