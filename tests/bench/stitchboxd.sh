#!/bin/bash
# stitchboxd.sh PROGRAM DATA PORT: makes the user the bench logs in as, in a fresh data folder, and serves.
set -euo pipefail
program=$1 data=$2/installation port=$3
if [ ! -e "$data/metadata.sqlite" ]; then
    mkdir -p "$data"
    echo bench-pass | "$program" user add --data "$data" --password-stdin bench >&2
fi
exec "$program" serve --data "$data" --listen "127.0.0.1:$port"
