#!/bin/sh
# Node from the distribution where there is none, and the gateway's packages as the lock file names them.
set -eu
cd "$(dirname "$0")"
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "Installing Node (once) ..."
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq nodejs npm >/dev/null
fi
node -e 'if (process.versions.node.split(".")[0] < 18) { console.error("Node 18 or newer is needed"); process.exit(1) }'
echo "Installing the gateway's packages (once) ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
