#!/usr/bin/env bash
# Packs firstlight, installs the package elsewhere, and has devices onboard at it as the container
# image and the systemd unit run it: an unprivileged user, and nothing to be written but its data.
# Needs bubblewrap.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
service=""
end() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
command -v bwrap >/dev/null || { echo "try.sh: bwrap is missing: apt-get install bubblewrap" >&2; exit 1; }

npm pack --silent --pack-destination "$work" >/dev/null
mkdir -m 755 "$work/installed"
npm install --no-audit --no-fund --no-progress --loglevel=error --prefix "$work/installed" "$work"/firstlight-*.tgz
node -e '
  const { components } = JSON.parse(require("fs").readFileSync(process.argv[1]))
  if (!components.some(({ name }) => name === "hono")) throw new Error("the bill of materials is not whole")
  console.log(`bill of materials: ${components.length} components`)
' "$work/installed/node_modules/firstlight/dist/sbom.cdx.json"

if command -v systemd-analyze >/dev/null; then
  sed 's#^ExecStart=.*#ExecStart=/bin/true#' scripts/packages/firstlight.service >"$work/firstlight.service"
  systemd-analyze verify "$work/firstlight.service"
  systemd-analyze security --offline=yes --threshold=20 "$work/firstlight.service" | tail -n 1
fi

chmod 755 "$work"
mkdir -m 700 "$work/data"
# Who runs this is nobody in there, without a capability.
confined() {
  bwrap --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp --ro-bind "$work" "$work" \
    --bind "$work/data" "$work/data" --unshare-user --uid 65534 --gid 65534 --unshare-pid --unshare-ipc \
    --die-with-parent --cap-drop ALL --chdir / --clearenv --setenv PATH "$PATH" "$@"
}
program=$work/installed/node_modules/.bin/firstlight
confined --setenv FIRSTLIGHT_DATA "$work/data" --setenv FIRSTLIGHT_PORT 0 --setenv FIRSTLIGHT_TLS_PORT 0 \
  --setenv FIRSTLIGHT_LOG warn "$program" serve >"$work/ready" 2>"$work/log" &
service=$!
for _ in $(seq 600); do
  grep -q '"ready"' "$work/ready" && break
  kill -0 "$service" || { cat "$work/log"; exit 1; }
  sleep 0.1
done
url=$(node -pe 'JSON.parse(require("fs").readFileSync(process.argv[1])).http' "$work/ready")
"$program" fleet --count 5 --concurrency 2 --di "$url"
[ ! -s "$work/log" ] || { cat "$work/log"; exit 1; }
