#!/bin/sh
# Install the real taps that the tests run, each in an environment of its own below build/taps. uv must be in $PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
taps=$here/../../../../build/taps
for locked in "$here"/*.txt; do
  tap=$(basename "$locked" .txt)
  if ! cmp -s "$locked" "$taps/$tap/locked.txt"; then
    uv venv --quiet --clear --python 3.11 "$taps/$tap"
    uv pip install --quiet --python "$taps/$tap/bin/python" --require-hashes --requirement "$locked"
    cp "$locked" "$taps/$tap/locked.txt"
  fi
done
