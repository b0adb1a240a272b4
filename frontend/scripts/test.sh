#!/usr/bin/env bash
# Everything that is tested of the frontend: types and style, what is published, then all tests. `make test` runs it.
# PYTHON names the Python that has the server's requirements, CHROMIUM a browser that is somewhere else.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -t 1 ] || export NO_COLOR=1

# Says loudly what is not tested; in CI nothing may be left out.
skip() {
  printf '\n  !!  SKIPPED: %s\n\n' "$1" >&2
  [ "${CI:-}" != true ] || exit 1
}

if ! command -v npm > /dev/null || ! node -e 'process.exit(Number.parseInt(process.versions.node) < 20 ? 1 : 0)'; then
  skip "the frontend is not tested: it needs Node 20 or newer, with npm"
  exit 0
fi

# What the lockfile says, and nothing else; a second run starts at once.
if [ ! node_modules/.installed -nt package-lock.json ]; then
  npm ci --silent --no-audit --no-fund
  touch node_modules/.installed
fi

find_browser() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" && return
  done
  return 1
}

if ! browser=$(find_browser) && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "installing chromium from the distribution ..."
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; } > /dev/null || true
fi
projects=()
if browser=$(find_browser); then
  export CHROMIUM=$browser
else
  projects=(--project core)
fi

npm run --silent check
npm run --silent check:package > .check-package.log 2>&1 || { cat .check-package.log; exit 1; }
npx vitest run --reporter=dot "${projects[@]}"
[ ${#projects[@]} = 0 ] || skip "no test ran in a browser: there is no Chromium, and it could not be installed"
