#!/usr/bin/env bash
# schemathesis asks a running server all that its own description allows, and much that it does not: no answer may be a
# fault of the server or outside the description. And each operation is asked once with what is really there, and has to
# answer 2xx: what no operation answers with, the first part would not see. Usage: conformance.sh [SECONDS-OF-FUZZING]
. "$(dirname "$0")/../../scripts/lib.sh"
SECONDS_OF_FUZZING=${1:-45}
BIN=${NSBOOT_BIN:-$ROOT/target/release/nsboot}
LIST=end2end/api/requirements.txt
PYTHON=$NSBOOT_CACHE/python-$(sha256sum "$LIST" | cut -c1-12)
if [ -f "$PYTHON/.done" ]; then skip 1 3 "schemathesis"
else step 1 3 "schemathesis" bash -c "rm -rf '$PYTHON' && python3 -m venv '$PYTHON' && '$PYTHON/bin/pip' install --no-deps -r $LIST && touch '$PYTHON/.done'"; fi

DATA=$(mktemp -d)
SERVER=
ended() {
  [ -n "$SERVER" ] || return 0
  kill "$SERVER" 2>/dev/null || true
  wait "$SERVER" 2>/dev/null || true
  SERVER=
}
trap 'ended; rm -rf "$DATA"' EXIT
# A server on the data folder $1. Its first line says where it is, and comes when it listens.
started() {
  mkdir -p "$DATA/$1"
  exec 3< <(exec "$BIN" serve --data "$DATA/$1" --listen 127.0.0.1:0 2>"$DATA/err")
  SERVER=$!
  read -r FIRST <&3 || { cat "$DATA/err"; exit 1; }
  URL=${FIRST##* is at }
}
# It is still there and found nothing wrong with itself.
sound() {
  kill -0 "$SERVER"
  # A boot network on an interface that is not there is asked for on purpose, and said to be an error.
  local wrong
  wrong=$(grep '"level":"error"' "$DATA/err" | grep -v '"task":"boot-plane/nsb-none') || return 0
  echo "The server wrote errors:"; echo "$wrong"; exit 1
}
cd "$DATA" # schemathesis leaves files where it stands

printf '[2/3] Each operation once\n'
started once
read -r CODE <&3
"$PYTHON/bin/python" "$ROOT/end2end/api/every_operation.py" "$URL" "${CODE##*: }" "$DATA/once"
sound
ended

export NSBOOT_ADMIN_PASSWORD="correct horse battery"
started all
TOKEN=$(curl -sf -H 'content-type: application/json' \
  -d "{\"username\":\"admin\",\"password\":\"$NSBOOT_ADMIN_PASSWORD\"}" "$URL/api/v1/auth/login" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')

printf '[3/3] All operations\n'
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$ROOT/end2end/api PYTHONDONTWRITEBYTECODE=1
# Left out: what ends the caller's own session or account, and what would build the virtual lab's network on this box.
"$PYTHON/bin/schemathesis" run "$URL/api/openapi.json" --no-color --seed 1 \
  -H "Authorization: Bearer $TOKEN" --max-time "$SECONDS_OF_FUZZING" --phases examples,coverage,fuzzing --warnings off \
  --exclude-path /api/v1/auth/logout --exclude-path /api/v1/auth/password \
  --exclude-path /api/v1/lab/actions/up --exclude-path /api/v1/lab/actions/boot \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
sound
