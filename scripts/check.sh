#!/usr/bin/env bash
# npm run check: types, format, layering. Everything is run, so that one call tells all.
cd "$(dirname "$0")/.." || exit 1
bin=node_modules/.bin
failed=0
check() {
  local name=$1
  shift
  if "$@"; then echo "check: $name: ok"; else echo "check: $name: failed" >&2; failed=1; fi
}

# protocol/ is compiled without Node's types: what is impure there does not compile.
check 'types of protocol/' "$bin/tsc" -p protocol
check types "$bin/tsc" --noEmit
check format "$bin/prettier" --check --log-level warn protocol src test scripts
check layering "$bin/vitest" run --reporter=dot test/architecture
exit $failed
