#!/usr/bin/env bash
# Fuzzes the management API of a service started for it, by its own OpenAPI document.
# fuzz.sh [SECONDS]; FUZZ_PYTHON is where schemathesis is, or is to be installed.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-90}
python=${FUZZ_PYTHON:-node_modules/.cache/fuzz}
work=$(mktemp -d)
service=""
end() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

if [ ! -x "$python/bin/schemathesis" ]; then
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check 'schemathesis>=4.32,<5'
fi

env -i PATH="$PATH" FIRSTLIGHT_DATA="$work/data" FIRSTLIGHT_PORT=0 FIRSTLIGHT_TLS_PORT=off \
  FIRSTLIGHT_LOG=error node dist/src/cli/main.js serve >"$work/ready" 2>"$work/log" &
service=$!
for _ in $(seq 600); do
  grep -q '"ready"' "$work/ready" && break
  kill -0 "$service" || { cat "$work/log"; exit 1; }
  sleep 0.1
done
url=$(node -pe 'JSON.parse(require("fs").readFileSync(process.argv[1])).http' "$work/ready")

# Revoking tokens might revoke the one it goes by; a COSE message is nothing it can make. A day's calls must not be too many for it.
checks=not_a_server_error,status_code_conformance,content_type_conformance
checks=$checks,response_schema_conformance,response_headers_conformance,unsupported_method
checks=$checks,allow_header_conformance,ignored_auth,missing_required_header
found=0
timeout $((seconds * 2 + 60)) "$python/bin/schemathesis" run "$url/api/v1/openapi.json" \
  --header "Authorization: Bearer $(cat "$work/data/admin.token")" \
  --exclude-operation-id deleteTokensId --exclude-operation-id postAuditCountersignatures \
  --phases coverage,fuzzing --max-time "$seconds" --max-examples 20 --seed 1 \
  --checks "$checks" --continue-on-failure --suppress-health-check all \
  --warnings off --no-color || found=$?
# A bug shows in the log, whatever it was answered with.
if [ -s "$work/log" ]; then
  cat "$work/log"
  found=1
fi
exit "$found"
