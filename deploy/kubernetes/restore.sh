#!/bin/sh
# Puts etcd back to a snapshot that the CronJob scanplane-backup has made. What was written since is lost.
#   sh restore.sh NAMESPACE                       lists the snapshots
#   sh restore.sh NAMESPACE etcd-….db             stops scanplane, restores every member, raises the epoch, starts scanplane
# Run again after a failure it begins anew. The data before stay beside the restored ones, in /var/lib/etcd/replaced, so the volumes need room for both.
# Jobs go on meanwhile. Those that the snapshot does not know are left alone: kubectl get jobs -l scanplane/cluster
# SCANPLANE_PREFIX: SCANPLANE_ETCD_PREFIX, where it is set. KUBECTL: another kubectl.
set -eu
namespace=${1:?usage: restore.sh NAMESPACE [SNAPSHOT]}
snapshot=${2:-}
kubectl() { command "${KUBECTL:-kubectl}" --namespace "$namespace" "$@"; }
say() { echo "$(date +%T) $*" >&2; }
field() { kubectl get "$1" -o jsonpath="$2"; }
meta=${SCANPLANE_PREFIX:-}/meta

image=$(field statefulset/scanplane-etcd '{.spec.template.spec.containers[0].image}')
aliases=$(field statefulset/scanplane-etcd '{.spec.template.spec.hostAliases}')

# usage: job NAME CLAIM SCRIPT: runs a script in a pod that has the backups and, where CLAIM is not empty, that claim; prints what it says
job() {
  job=$1 claim=$2
  shift 2
  kubectl delete job "$job" --ignore-not-found > /dev/null
  volumes='{"name": "backups", "persistentVolumeClaim": {"claimName": "scanplane-backups"}}' mounts='{"name": "backups", "mountPath": "/backup"}'
  if [ -n "$claim" ]; then
    volumes="$volumes, {\"name\": \"data\", \"persistentVolumeClaim\": {\"claimName\": \"$claim\"}}"
    mounts="$mounts, {\"name\": \"data\", \"mountPath\": \"/var/lib/etcd\"}"
  fi
  kubectl create --filename - > /dev/null << END
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "$job", "labels": {"app.kubernetes.io/name": "scanplane-restore"}},
 "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app.kubernetes.io/name": "scanplane-restore"}}, "spec": {
  "restartPolicy": "Never", "serviceAccountName": "scanplane-etcd", "automountServiceAccountToken": false, "hostAliases": ${aliases:-[]},
  "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
  "containers": [{"name": "restore", "image": "$image", "command": ["sh", "-euc", "$1"], "env": [{"name": "ETCDCTL_API", "value": "3"}],
    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
    "volumeMounts": [$mounts]}],
  "volumes": [$volumes]}}}}
END
  while :; do
    ended=$(field "job/$job" '{.status.conditions[?(@.status=="True")].type}')
    if [ -n "$ended" ]; then break; fi
    sleep 1
  done
  kubectl logs "job/$job"
  if [ "$ended" != Complete ]; then say "$job failed"; exit 1; fi
  kubectl delete job "$job" > /dev/null
}

if [ -z "$snapshot" ]; then
  job scanplane-restore-list '' 'cd /backup; ls -l'
  exit
fi
case $snapshot in *[!A-Za-z0-9.-]*) say "$snapshot is no name of a snapshot"; exit 2 ;; esac
job scanplane-restore-look '' "test -f /backup/$snapshot || { echo there is no $snapshot; exit 1; }" >&2

say "stopping scanplane"
kubectl patch cronjob scanplane-backup --type merge --patch '{"spec": {"suspend": true}}' > /dev/null
stop() {
  for what in "$@"; do
    replicas=$(field "$what" '{.spec.replicas}')
    # Where an earlier run has stopped it, that run has noted how many there were.
    if [ "$replicas" != 0 ]; then kubectl annotate "$what" --overwrite "scanplane/replicas=$replicas" > /dev/null; fi
    kubectl scale "$what" --replicas 0 > /dev/null
  done
  for what in "$@"; do
    say "waiting for the pods of $what to end"
    while [ -n "$(kubectl get pods -l "app.kubernetes.io/name=${what#*/}" -o name)" ]; do sleep 1; done
  done
}
stop deployment/scanplane-api deployment/scanplane-controllers
# Not before: they have their last words to write.
stop statefulset/scanplane-etcd

members=$(field statefulset/scanplane-etcd '{.metadata.annotations.scanplane/replicas}')
cluster=$(field statefulset/scanplane-etcd '{.spec.template.spec.containers[0].env[?(@.name=="ETCD_INITIAL_CLUSTER")].value}')
# Members of before that come back must not find these.
token=restored-$(date -u +%Y%m%dT%H%M%SZ)
at=0
while [ "$at" -lt "$members" ]; do
  name=scanplane-etcd-$at
  say "restoring $name"
  job "scanplane-restore-$at" "data-$name" "cd /var/lib/etcd; rm -rf restored; \
if command -v etcdutl > /dev/null; then tool=etcdutl; else tool=etcdctl; fi; \
\$tool snapshot restore /backup/$snapshot --data-dir restored --name $name --initial-cluster $cluster --initial-cluster-token $token \
--initial-advertise-peer-urls https://$name.scanplane-etcd:2380; \
rm -rf replaced; if [ -d data ]; then mv data replaced; fi; mv restored data; sync" >&2
  at=$((at + 1))
done

say "starting etcd"
kubectl scale statefulset/scanplane-etcd --replicas "$members" > /dev/null
kubectl rollout status statefulset/scanplane-etcd --timeout 10m >&2
value=$(kubectl exec scanplane-etcd-0 -- etcdctl get --print-value-only "$meta")
if [ -n "$value" ]; then
  # Higher than any before, so that what was decided before the restore is known to be old: the time, unless clocks are wrong.
  stored=$(printf '%s\n' "$value" | sed -n 's/.*"epoch": *\([0-9][0-9]*\).*/\1/p')
  epoch=$(date +%s)
  if [ "$epoch" -le "$stored" ]; then epoch=$((stored + 1)); fi
  kubectl exec scanplane-etcd-0 -- etcdctl put "$meta" "$(printf '%s\n' "$value" | sed "s/\"epoch\": *$stored/\"epoch\":$epoch/")" > /dev/null
  say "epoch $stored is now $epoch"
fi

say "starting scanplane"
for what in deployment/scanplane-controllers deployment/scanplane-api; do
  kubectl scale "$what" --replicas "$(field "$what" '{.metadata.annotations.scanplane/replicas}')" > /dev/null
done
for what in deployment/scanplane-controllers deployment/scanplane-api; do kubectl rollout status "$what" --timeout 10m >&2; done
kubectl patch cronjob scanplane-backup --type merge --patch '{"spec": {"suspend": false}}' > /dev/null
say "done"
