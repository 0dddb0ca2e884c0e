#!/bin/bash
# The first process of the rig's own namespaces (network, mounts, processes): prepares them, then runs the given command and ends as it does.
# With this process everything ends that was started in here. As the first one it also reaps orphans, which bash does while it waits.
# usage: enter.sh RUN_FOLDER PROGRAMS NODE_ADDRESS SERVICE_RANGE COMMAND [ARGUMENT...]
set -euo pipefail
run=$1 programs=$2 address=$3 services=$4
shift 4

# Among ourselves only: nothing that is mounted from here on shows outside.
mount --make-rshared /

# Where the container runtime and the kubelet have fixed places.
mkdir -p "$run"/{var-lib,var-log,sysctl}
mount --bind "$run/var-lib" /var/lib
mount --bind "$run/var-log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns

# The kubelet insists on these settings of the whole machine: it reads what it wants, and writes to nobody.
while read -r name value; do
  echo "$value" > "$run/sysctl/$name"
  mount --bind "$run/sysctl/$name" "/proc/sys/${name//.//}"
done <<'SETTINGS'
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
SETTINGS

# An address that pods reach, and a route by which this node's own packets to Services get as far as the rules that redirect them.
ip() { "$programs/busybox" ip "$@"; }
ip link set lo up
ip address add "$address/32" dev lo
ip route add "$services" dev lo src "$address"
echo 1 > /proc/sys/net/ipv4/ip_forward

code=0
"$@" || code=$?
exit "$code"
