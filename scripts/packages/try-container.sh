#!/usr/bin/env bash
# Builds the image, has compose run it as compose.yaml stands, and has devices onboard at it: in a
# network of its own, with nothing fetched from a registry of images. What the Dockerfile builds upon
# is made of Debian's packages and of the Node that is installed here.
# Needs root, Debian of the release that the Dockerfile names, npm ci, and mmdebstrap, buildah, podman,
# runc, podman-compose and iproute2. Where one is missing, or the kernel does not let an engine run, it
# says so and ends with 77: nothing was tried, and nothing has failed.
set -eu
cd "$(dirname "$0")/../.."
self=scripts/packages/try-container.sh
not_tried=77

main() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  can_be_tried
  # Whatever they mount ends with them.
  unshare --mount "$self" images "$work"
  unshare --mount --net "$self" service "$work"
}

not_here() { # WHY [LOG]
  echo "try-container.sh: not tried: $1"
  [ -z "${2-}" ] || tail -n 3 "$2"
  exit "$not_tried"
}

wrong() { # WHAT [LOG]
  [ -z "${2-}" ] || tail -n 60 "$2"
  echo "try-container.sh: $1" >&2
  exit 1
}

# What both engines read: storage, networks and state in our folder, and limits that anybody may set.
engine() {
  local driver=overlay
  mkdir -p "$work"/{lower,upper,workdir,merged,networks}
  mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/workdir" none "$work/merged" \
    2>/dev/null && umount "$work/merged" || driver=vfs
  cat >"$work/storage.conf" <<SETTINGS
[storage]
driver = "$driver"
graphroot = "$work/store"
runroot = "$work/run"
SETTINGS
  cat >"$work/containers.conf" <<SETTINGS
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
[network]
network_config_dir = "$work/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$work/engine"
SETTINGS
}

builder=$(sed -n 's/^FROM \([^ ]*\) AS .*/\1/p' scripts/packages/Dockerfile)
runner=$(sed -n 's/^FROM \([^ ]*\)$/\1/p' scripts/packages/Dockerfile)
. /etc/os-release

can_be_tried() {
  local command
  for command in mmdebstrap buildah podman runc podman-compose ip; do
    command -v "$command" >/dev/null || not_here "$command is missing"
  done
  [ "$(id -u)" -eq 0 ] || not_here "only root may make what the image is built upon"
  [[ "$runner" == *"${VERSION_CODENAME:-unknown}"* ]] || not_here "this is ${PRETTY_NAME:-no Debian}, not $runner"
  [[ "$builder" == "node:$(node -p 'process.versions.node.split(".")[0]')-"* ]] ||
    not_here "this is Node $(node --version), not $builder"
  unshare --mount --net true 2>"$work/log" || not_here "no namespace can be made" "$work/log"
}

images() {
  engine
  # Each in a shell of its own, so that its first error ends it.
  "$self" debian "$work" >"$work/log" 2>&1 || not_here "$runner cannot be made of Debian's packages" "$work/log"
  "$self" node_on_it "$work" >"$work/log" 2>&1 || not_here "$builder cannot be made" "$work/log"
  "$self" reach "$work" >"$work/log" 2>&1 || not_here "npm reaches no registry from a container" "$work/log"
  unshare --net "$self" probe "$work" >"$work/log" 2>&1 || not_here "no container can be run" "$work/log"
  buildah build --pull-never --format docker --tag firstlight --volume "$(npm config get cache):/root/.npm" \
    --file scripts/packages/Dockerfile --ignorefile scripts/packages/Dockerfile.dockerignore . >"$work/log" 2>&1 ||
    wrong "the image was not built" "$work/log"
  check_image
}

debian() {
  local container
  container=$(buildah from scratch)
  mmdebstrap --mode=root --variant=minbase --quiet --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$VERSION_CODENAME" "$(buildah mount "$container")"
  buildah commit --quiet --rm "$container" "localhost/$runner"
}

# As the image of Node's makers: Node and its headers below /usr/local, and what compiles for it.
node_on_it() {
  local container root node version prebuilt
  container=$(buildah from --pull-never "$runner")
  buildah run "$container" -- sh -c 'apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ make python3 ca-certificates'
  root=$(buildah mount "$container")
  node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  mkdir -p "$root"/usr/local/{bin,lib/node_modules,include} "$root/prebuilt"
  cp "$node/bin/node" "$root/usr/local/bin/"
  cp -r "$node/lib/node_modules/npm" "$root/usr/local/lib/node_modules/"
  cp -r "$node/include/node" "$root/usr/local/include/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  # The registry of packages is the one in use here, and so is whom that is believed by.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  buildah config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    --env "npm_config_registry=$(npm config get registry)" "$container"
  # What better-sqlite3's makers have compiled is not in that registry: ours stands in for it.
  version=$(node -p 'require("better-sqlite3/package.json").version')
  prebuilt=better-sqlite3-v$version-node-v$(node -p process.versions.modules)-linux-$(node -p process.arch).tar.gz
  tar -C node_modules/better-sqlite3 -czf "$root/prebuilt/$prebuilt" build/Release/better_sqlite3.node
  echo '{ "local-prebuilds": "/prebuilt" }' >"$root/etc/prebuild-installrc"
  buildah commit --quiet --rm "$container" "localhost/$builder"
}

reach() {
  local container
  container=$(buildah from --pull-never "$builder")
  buildah run "$container" -- npm view better-sqlite3 version
  buildah rm "$container"
}

own_network() {
  ip link set lo up
  ip address add 192.0.2.10/32 dev lo
  mkdir -p /var/lib/cni
  mount -t tmpfs none /var/lib/cni
}

# As compose.yaml will have it, of an image that can only be right.
probe() {
  own_network
  podman run --rm --read-only --cap-drop all --security-opt no-new-privileges --pids-limit 256 --memory 1g \
    --publish 8080:8080 --tmpfs /tmp:size=64m --volume "$work/networks:/networks:ro" "$runner" true
}

check_image() {
  local root
  root=$(podman image mount localhost/firstlight)
  echo "image: $(podman image inspect --format '{{.Size}}' localhost/firstlight | numfmt --to=si)B," \
    "user $(podman image inspect --format '{{.User}}' localhost/firstlight)"
  ! find "$root" -xdev -type f -perm /6000 | grep . || wrong "these make whoever runs them another user"
  ! find "$root" -name npm | grep . || wrong "nothing is to be installed in there"
  ! find "$root/app" ! -user root -o -type f -perm /022 | grep . || wrong "these could be changed"
  podman image unmount localhost/firstlight >/dev/null
}

service() {
  own_network
  trap 'podman rm --all --force --time 0 >/dev/null 2>&1' EXIT
  export FIRSTLIGHT_PUBLIC_URL=http://192.0.2.10:8080 FIRSTLIGHT_DI_ALLOW=192.0.2.0/24
  mkdir "$work/compose"
  cp scripts/packages/compose.yaml "$work/compose/"
  (umask 077 && openssl rand -base64 32 >"$work/compose/master.key")
  chown 1000 "$work/compose/master.key"
  cli=$PWD/dist/src/cli/main.js
  cd "$work"

  compose up --detach
  until_ready
  onboard first
  podman healthcheck run compose_firstlight_1 || wrong "the image's own question after its health"
  in_it sh -c '! touch /app/written 2>/dev/null' || wrong "its root can be written to"
  in_it grep -q '^CapBnd:\s*0*$' /proc/1/status || wrong "it could have capabilities"
  in_it grep -q '^NoNewPrivs:\s*1$' /proc/1/status || wrong "it could get privileges"
  echo "confined: no capability, no way to any, nothing to write to but its data"
  back_up

  compose stop
  [ "$(podman inspect --format '{{.State.ExitCode}}' compose_firstlight_1)" -eq 0 ] || wrong "it did not end by itself"
  compose start
  until_ready
  onboard second
  [ "$(in_it firstlight device list | grep -c onboarded)" -eq 2 ] || wrong "it has forgotten a device"
  echo "stopped by SIGTERM, started again on the same volume: both devices are known"
}

compose() { podman-compose -f compose/compose.yaml "$@" >"$work/log" 2>&1 || wrong "compose $1" "$work/log"; }
in_it() { podman exec --interactive compose_firstlight_1 "$@"; }

until_ready() {
  for _ in $(seq 300); do
    node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' \
      "$FIRSTLIGHT_PUBLIC_URL/health/ready" && return
    [ "$(podman inspect --format '{{.RestartCount}}' compose_firstlight_1)" -eq 0 ] || break
    sleep 0.1
  done
  podman logs compose_firstlight_1 >"$work/log" 2>&1
  wrong "it does not become ready" "$work/log"
}

onboard() { # NAME
  node "$cli" device init --di "$FIRSTLIGHT_PUBLIC_URL" --credential "$1/credential" --serial "$1"
  node "$cli" device onboard --credential "$1/credential" --sandbox "$1/files"
}

back_up() {
  openssl genpkey -algorithm X25519 -out recovery.key
  openssl pkey -in recovery.key -pubout | in_it firstlight backup --to /dev/stdin --out /data/tried.backup
  in_it cat /data/tried.backup >tried.backup
  node "$cli" restore tried.backup --key recovery.key --check
}

if [ $# -eq 0 ]; then
  main
  exit
fi
work=$2
export CONTAINERS_CONF="$work/containers.conf" CONTAINERS_STORAGE_CONF="$work/storage.conf" BUILDAH_ISOLATION=chroot
"$1" "${@:3}"
