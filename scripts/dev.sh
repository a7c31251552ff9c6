#!/usr/bin/env bash
# Builds on change, restarts the server and reloads the page. The data folder is ./data, as under `make run`.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh
exec cargo leptos watch --split -- serve --data "$ROOT/data" --listen 127.0.0.1:3000
