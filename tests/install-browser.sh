#!/bin/sh
# Chromium and a Chinese font for the browser tests, from the distribution's packages.
set -eu
if command -v chromium >/dev/null 2>&1 && fc-list 2>/dev/null | grep -qi 'cjk'; then
    exit 0
fi
echo "Installing Chromium and a Chinese font (once) ..."
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq chromium fonts-noto-cjk fontconfig >/dev/null
