# What make.sh makes. It is read by it and is no program of its own.

single=docker.io/library/single:1 pod=registry.example/team/pod

# --- Docker with its graph driver

context single 'base docker single, base' 'top docker single, top'
context shared 'base docker single, base' 'top docker multi, another top'
context holes 'base docker holes' 'top docker holes'
truncate -s 12K holes/base
echo 'end of the holes' >>holes/base
context twice 'first docker duplicates' 'second docker duplicates, between'
tar -C twice --mtime=@0 -cf twice/same.tar first
tar -C twice --mtime=@0 -cf twice/other.tar second
printf 'FROM scratch\nADD same.tar /\nADD other.tar /\nADD same.tar /\n' >twice/Dockerfile
build() { docker build -q "$@" >/dev/null 2>"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }; }
build -t single:1 single
build -t multi:1 -t multi:latest -t registry.example/team/multi:stable shared
build -t twice:1 twice
build -t holes:1 holes

make docker-20.10.tar "$docker_version" 'layers as v1 directories in the order of their names, manifest.json near the end' \
  'from_docker single:1 $single' 'docker save single:1 -o docker-20.10.tar'
make docker-20.10-id.tar "$docker_version" 'no name: RepoTags null, no repositories' \
  'from_docker single:1' 'docker save $(docker images -q single:1) -o docker-20.10-id.tar'
both='from_docker single:1 $single; from_docker multi:1 docker.io/library/multi:1 docker.io/library/multi:latest registry.example/team/multi:stable'
make docker-20.10-many.tar "$docker_version" 'two images, one with three names, which share a layer by a symbolic link' \
  "$both" 'docker save single:1 multi registry.example/team/multi:stable -o docker-20.10-many.tar'
make docker-20.10-twice.tar "$docker_version" 'one layer twice in an image, the second time a symbolic link' \
  'from_docker twice:1 docker.io/library/twice:1' 'docker save twice:1 -o docker-20.10-twice.tar'
for tool in 'gzip gz -n' 'bzip2 bz2' 'xz xz' 'zstd zst -q'; do
  read -r program suffix flags <<<"$tool"
  make "docker-20.10.tar.$suffix" "$docker_version, $program" 'compressed as a whole' \
    'from_docker single:1 $single' "docker save single:1 | $program${flags:+ $flags} >docker-20.10.tar.$suffix"
done

# --- a tar that somebody unpacked and packed again

unpack() { rm -rf out/unpacked && mkdir out/unpacked && tar -C out/unpacked -x; }
docker save single:1 multi registry.example/team/multi:stable | unpack
make retar-dot.tar "$tar_version" './ before every name, records of 10 KiB' "$both" 'tar -C unpacked -cf retar-dot.tar .'
make retar-wrapped.tar "$tar_version" 'a directory around everything' "$both" 'tar -cf retar-wrapped.tar unpacked'
make retar-gnu.tar "$tar_version" 'GNU headers, manifest.json before the layers' "$both" 'tar -C unpacked --format=gnu -cf retar-gnu.tar $(ls -r unpacked)'
make retar-pax.tar "$tar_version" 'PAX records with the times of everything' "$both" 'tar -C unpacked --format=pax -cf retar-pax.tar $(ls unpacked)'
docker save holes:1 | unpack
find out/unpacked -name layer.tar -exec fallocate -d {} \;
make retar-sparse.tar "$tar_version" 'layers are sparse entries: GNU tar -S' \
  'from_docker holes:1 docker.io/library/holes:1' 'tar -C unpacked --format=gnu -S -cf retar-sparse.tar $(ls unpacked)'
make retar-sparse-pax.tar "$tar_version" 'layers are sparse entries in PAX records' \
  'from_docker holes:1 docker.io/library/holes:1' 'tar -C unpacked --format=pax -S -cf retar-sparse-pax.tar $(ls unpacked)'
docker save twice:1 | unpack
find out/unpacked -type l | while read -r link; do ln -f "$(readlink -f "$link")" "$link"; done
make retar-hardlinks.tar "$tar_version" 'a layer is a hard link to another' \
  'from_docker twice:1 docker.io/library/twice:1' 'tar -C unpacked -cf retar-hardlinks.tar $(ls unpacked)'

# --- podman, buildah, skopeo, umoci

context pod 'base podman, base' 'top podman, top'
context pod2 'base podman, base' 'top podman, another top'
podman build -q -t $pod:1 --layers pod >/dev/null
podman build -q -t $pod:2 --layers pod2 >/dev/null
podman tag $pod:2 $pod:latest
make podman-4.3.tar "$podman_version" 'layers named by their diff IDs, symbolic links in v1 directories' \
  'from_podman $pod:1 $pod:1' "podman save $pod:1 -o podman-4.3.tar"
make podman-4.3-many.tar "$podman_version" 'several images and names (-m)' \
  'from_podman $pod:1 $pod:1; from_podman $pod:2 $pod:2 $pod:latest' "podman save -m $pod:1 $pod:2 $pod:latest -o podman-4.3-many.tar"
make podman-4.3-oci.tar "$podman_version" 'the full name in ref.name' \
  'from_oci podman-4.3-oci.tar $pod:1' "podman save --format oci-archive $pod:1 -o podman-4.3-oci.tar"

container=$(buildah from --pull=never $pod:1)
buildah config --label built=buildah "$container"
buildah commit -q "$container" registry.example/team/buildah:1 >/dev/null
make buildah.tar "$buildah_version" 'pushed to a docker-archive' \
  'from_skopeo buildah.tar registry.example/team/buildah:1' 'buildah push registry.example/team/buildah:1 docker-archive:buildah.tar'
make buildah-oci.tar "$buildah_version" 'pushed to an oci-archive, the tag alone in ref.name' \
  'from_oci buildah-oci.tar' 'buildah push registry.example/team/buildah:1 oci-archive:buildah-oci.tar:1'

make skopeo-1.9.tar "$skopeo_version" 'a Docker image as docker-archive' \
  'from_skopeo skopeo-1.9.tar registry.example/team/copied:1' \
  'skopeo copy --src-daemon-host $DOCKER_HOST docker-daemon:single:1 docker-archive:skopeo-1.9.tar:registry.example/team/copied:1'
make skopeo-1.9-oci.tar "$skopeo_version" 'a Docker image as oci-archive, without a name' \
  'from_oci skopeo-1.9-oci.tar' 'skopeo copy --src-daemon-host $DOCKER_HOST docker-daemon:single:1 oci-archive:skopeo-1.9-oci.tar'
make skopeo-1.9-chunked.tar "$skopeo_version" 'zstd:chunked layers' \
  'from_oci skopeo-1.9-chunked.tar registry.example/team/chunked:1' \
  'skopeo copy --src-daemon-host $DOCKER_HOST --dest-compress --dest-compress-format zstd:chunked docker-daemon:single:1 oci-archive:skopeo-1.9-chunked.tar:registry.example/team/chunked:1'

umoci init --layout out/layout
umoci new --image out/layout:1
umoci insert --image out/layout:1 single/base /etc/base >/dev/null
umoci insert --image out/layout:1 single/top /opt/top >/dev/null
make umoci.tar "$umoci_version, $tar_version" 'a layout packed with tar, the tag alone in ref.name, blobs that nothing refers to' \
  'from_oci umoci.tar' 'tar -C layout -cf umoci.tar .'

# --- from a registry: containerd, crane, regctl

mkdir both
tar -C both -xf "$archives/buildkit-oci.tar"
skopeo copy -q --all --dest-tls-verify=false oci:both docker://$registry/team/both:1
skopeo copy -q --src-daemon-host "$DOCKER_HOST" --dest-tls-verify=false docker-daemon:single:1 docker://$registry/team/single:1
from_registry() { # from_registry NAME:TAG PLATFORM NAMES...: one platform
  local architecture=${2#*/} source=docker://$registry/team/$1 manifest
  manifest=$(skopeo inspect --tls-verify=false --raw "$source" | jq -r --arg a "$architecture" '.manifests[]? | select(.platform.architecture == $a) | .digest')
  if [ -n "$manifest" ]; then source=${source%:*}@$manifest; fi
  image "$(digest_of --tls-verify=false "$source")" "$(of_skopeo --tls-verify=false "$source")" "${@:3}"
}
whole() { # whole NAME:TAG NAMES...: the index with both platforms
  jq -nc --argjson a "$(from_registry "$1" linux/amd64)" --argjson b "$(from_registry "$1" linux/arm64)" \
    --arg digest "$(digest_of --tls-verify=false "docker://$registry/team/$1")" \
    '{names: $ARGS.positional, digest: $digest, platforms: ($a.platforms + $b.platforms)}' --args -- "${@:2}"
}
tagged=registry.example/team
ctr images pull --plain-http $registry/team/single:1 >/dev/null
ctr images tag $registry/team/single:1 $tagged/single:1 >/dev/null
make ctr-1.6.tar "$ctr_version" "a Docker image as it was pulled" \
  'from_registry single:1 linux/amd64 $tagged/single:1' "ctr images export ctr-1.6.tar $tagged/single:1"
ctr images pull --plain-http --platform linux/amd64 $registry/team/both:1 >/dev/null
ctr images tag $registry/team/both:1 $tagged/both:1 >/dev/null
make ctr-1.6-partial.tar "$ctr_version" 'one platform of an index, of which the others were not pulled' \
  'from_registry both:1 linux/amd64 $tagged/both:1' "ctr images export --platform linux/amd64 ctr-1.6-partial.tar $tagged/both:1"
ctr content fetch --plain-http --all-platforms $registry/team/both:1 >/dev/null
make ctr-1.6-all.tar "$ctr_version" 'all platforms of an index' \
  'whole both:1 $tagged/both:1' "ctr images export --all-platforms ctr-1.6-all.tar $tagged/both:1"

if has crane; then
  crane_version="crane $(crane version)"
  unnamed() { jq -c '.digest = "" | del(.digest)'; }
  make crane.tar "$crane_version" 'a configuration that is named sha256:HEX, compressed layers' \
    'from_registry single:1 linux/amd64 $registry/team/single:1 | unnamed' 'crane pull --insecure $registry/team/single:1 crane.tar'
  make crane-legacy.tar "$crane_version" 'format legacy: v1 directories with layer IDs of its own' \
    'from_registry single:1 linux/amd64 $registry/team/single:1 | unnamed' 'crane pull --insecure --format legacy $registry/team/single:1 crane-legacy.tar'
  make crane-oci.tar "$crane_version, $tar_version" 'format oci: a layout without a name, all platforms, packed with tar' \
    'whole both:1' 'crane pull --insecure --format oci $registry/team/both:1 crane && tar -C crane -cf crane-oci.tar .'
fi
if has regctl; then
  regctl registry set --tls disabled $registry
  regctl_version="regctl $(regctl version | sed -n 's|VCSTag: *||p')"
  make regctl.tar "$regctl_version" 'LayerSources by the digest of the compressed layer' \
    'from_registry single:1 linux/amd64 $tagged/single:1' 'regctl image export --name $tagged/single:1 $registry/team/single:1 regctl.tar'
  make regctl-index.tar "$regctl_version" 'an index, and no manifest.json' \
    'whole both:1 $tagged/both:1' 'regctl image export --name $tagged/both:1 $registry/team/both:1 regctl-index.tar'
fi
