#!/bin/bash
# The first process of the engine's own namespaces: prepares them, then becomes the given command. With it everything ends that was started in here.
# usage: enter.sh RUN_FOLDER PROGRAMS COMMAND [ARGUMENT...]
set -euo pipefail
run=$1 programs=$2
shift 2
mount --make-rshared /
# Sockets of the container runtime have fixed places there.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$run"/{data,exec}
"$programs/busybox" ip link set lo up
export PATH=$programs:$PATH
exec "$@"
