#!/bin/sh
# The accessibility rules as the lock file names them. Node is there: tests/gateway/install.sh comes before.
set -eu
cd "$(dirname "$0")"
echo "Installing the accessibility rules (once) ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
