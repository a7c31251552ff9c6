#!/usr/bin/env bash
# schemathesis asks a running server all that its own description allows, and much that it does not: no answer may be a
# fault of the server or outside the description. Usage: conformance.sh [SECONDS-OF-FUZZING]
. "$(dirname "$0")/../../scripts/lib.sh"
SECONDS_OF_FUZZING=${1:-45}
BIN=${NSBOOT_BIN:-$ROOT/target/release/nsboot}
LIST=end2end/api/requirements.txt
PYTHON=$NSBOOT_CACHE/python-$(sha256sum "$LIST" | cut -c1-12)
if [ -f "$PYTHON/.done" ]; then skip 1 2 "schemathesis"
else step 1 2 "schemathesis" bash -c "rm -rf '$PYTHON' && python3 -m venv '$PYTHON' && '$PYTHON/bin/pip' install --no-deps -r $LIST && touch '$PYTHON/.done'"; fi

DATA=$(mktemp -d)
export NSBOOT_ADMIN_PASSWORD="correct horse battery"
# Its first line says where it is, and comes when it listens.
exec 3< <(exec "$BIN" serve --data "$DATA" --listen 127.0.0.1:0 2>"$DATA/err")
SERVER=$!
trap 'kill $SERVER 2>/dev/null; wait $SERVER 2>/dev/null; rm -rf "$DATA"' EXIT
read -r FIRST <&3 || { cat "$DATA/err"; exit 1; }
URL=${FIRST##* is at }
TOKEN=$(curl -sf -H 'content-type: application/json' \
  -d "{\"username\":\"admin\",\"password\":\"$NSBOOT_ADMIN_PASSWORD\"}" "$URL/api/v1/auth/login" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')

printf '[2/2] All operations\n'
# Left out: what ends the caller's own session or account, and what would build the virtual lab's network on this box.
cd "$DATA" # it leaves files where it stands
"$PYTHON/bin/schemathesis" run "$URL/api/openapi.json" --no-color --seed 1 \
  -H "Authorization: Bearer $TOKEN" --max-time "$SECONDS_OF_FUZZING" --phases examples,coverage,fuzzing --warnings off \
  --exclude-path /api/v1/auth/logout --exclude-path /api/v1/auth/password \
  --exclude-path /api/v1/lab/actions/up --exclude-path /api/v1/lab/actions/boot \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
kill -0 $SERVER # it is still there
! grep -q '"level":"error"' "$DATA/err" || { echo "The server wrote errors:"; grep '"level":"error"' "$DATA/err"; exit 1; }
