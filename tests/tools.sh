#!/bin/sh
# What tests in a network namespace of their own need besides Python: installed where it is missing and can be.
set -eu
missing() { for tool in ip iptables unshare; do command -v "$tool" >/dev/null 2>&1 || return 0; done; return 1; }
if missing && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq >/dev/null && apt-get install -y -qq iproute2 iptables util-linux >/dev/null
fi
if missing; then
    echo "ip, iptables and unshare are needed (packages iproute2, iptables, util-linux): install them and run make again" >&2
    exit 1
fi
