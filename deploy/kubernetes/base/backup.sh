#!/bin/sh
# Saves a snapshot of etcd into /backup, verifies it, and keeps the newest $KEEP. Restore: ../restore.sh.
# From the environment: ENDPOINTS, separated by commas, of which the first that answers is asked; what etcdctl takes (ETCDCTL_CACERT …).
set -eu
cd /backup
rm -f ./*.part

name=etcd-$(date -u +%Y%m%dT%H%M%SZ).db
saved=
for endpoint in $(echo "$ENDPOINTS" | tr , ' '); do
  if etcdctl --endpoints="$endpoint" snapshot save "$name.part"; then saved=$endpoint; break; fi
done
if [ -z "$saved" ]; then echo "no member of etcd gave a snapshot" >&2; exit 1; fi

# What etcd sends ends with the SHA-256 of all that stands before it.
size=$(wc -c < "$name.part")
if [ $((size % 512)) -ne 32 ]; then echo "the snapshot has no digest" >&2; exit 1; fi
expected=$(tail -c 32 "$name.part" | od -An -v -tx1 | tr -d ' \n')
actual=$(head -c $((size - 32)) "$name.part" | sha256sum | cut -d ' ' -f 1)
if [ "$actual" != "$expected" ]; then echo "the snapshot is damaged" >&2; exit 1; fi
# Reads every page. Releases from 3.6 on have it in etcdutl.
if command -v etcdutl > /dev/null; then etcdutl snapshot status "$name.part" --write-out=json; else etcdctl snapshot status "$name.part" --write-out=json; fi

sync
mv "$name.part" "$name"
echo "saved $name from $saved"

# Names sort by time.
ls -1 | grep '^etcd-.*\.db$' | sort -r | tail -n +$((KEEP + 1)) | while read -r old; do rm -f "$old"; echo "removed $old"; done
