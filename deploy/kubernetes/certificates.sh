#!/bin/sh
# Makes what base/ takes as Secrets, and prints them for kubectl: certificates of etcd, the API and the controllers, a client's for etcd, and a first
# token. Run again with the same folder it renews certificates that end within 30 days and leaves everything else as it is.
#   sh certificates.sh NAMESPACE [FOLDER] | kubectl --namespace NAMESPACE apply --filename -
# Keep the folder to yourself: it holds the key of the authority, which never gets into the cluster.
# SCANPLANE_NAMES=DNS:scans.example.org,IP:192.0.2.7 adds names of the API; SCANPLANE_DOMAIN: the cluster's, where it is not cluster.local.
# The other way: cert-manager writes Secrets with the same names and keys (README.md).
set -eu
umask 077
namespace=${1:?usage: certificates.sh NAMESPACE [FOLDER]}
folder=${2:-$(dirname "$0")/secrets}
domain=${SCANPLANE_DOMAIN:-cluster.local}
mkdir -p "$folder"
cd "$folder"

config=$(mktemp)
trap 'rm -f "$config" ./*.csr ./*.new' EXIT

if [ ! -f ca.crt ]; then
  openssl ecparam -genkey -name prime256v1 -noout -out ca.key
  printf '[req]\ndistinguished_name=name\n[name]\n[ca]\nbasicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' > "$config"
  openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=scanplane $(openssl rand -hex 4)" -config "$config" -extensions ca -out ca.crt
fi

# usage: certificate NAME USAGES [ALTERNATIVE_NAMES]
certificate() {
  if [ -f "$1.crt" ] && openssl x509 -checkend 2592000 -noout -in "$1.crt" > /dev/null; then return; fi
  openssl ecparam -genkey -name prime256v1 -noout -out "$1.key.new"
  printf '[req]\ndistinguished_name=name\n[name]\n[leaf]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$2" > "$config"
  if [ -n "${3:-}" ]; then printf 'subjectAltName=%s\n' "$3" >> "$config"; fi
  openssl req -new -key "$1.key.new" -subj "/CN=$1" -config "$config" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days 397 -sha256 -extfile "$config" -extensions leaf -out "$1.crt.new" 2> /dev/null
  mv "$1.key.new" "$1.key"
  mv "$1.crt.new" "$1.crt"
  echo "$1: new certificate" >&2
}

# usage: names SERVICE: all by which pods of the cluster call it
names() { printf 'DNS:%s,DNS:%s.%s,DNS:%s.%s.svc,DNS:%s.%s.svc.%s' "$1" "$1" "$namespace" "$1" "$namespace" "$1" "$namespace" "$domain"; }

members=DNS:localhost
# Each by its name: etcd looks them up to see whether a peer is who it says.
for at in 0 1 2 3 4; do members=$members,$(names "scanplane-etcd-$at.scanplane-etcd"); done
# A member is its peers' client, too.
certificate scanplane-etcd serverAuth,clientAuth "$members"
certificate scanplane-etcd-client clientAuth
certificate scanplane-api serverAuth "$(names scanplane-api),DNS:localhost${SCANPLANE_NAMES:+,$SCANPLANE_NAMES}"
certificate scanplane-controllers serverAuth "$(names scanplane-controllers),DNS:localhost"

if [ ! -f tokens.json ]; then
  openssl rand -hex 32 | tr -d '\n' > first-token
  digest=$(openssl dgst -sha256 -r first-token | cut -d ' ' -f 1)
  printf '[{"name": "first", "roles": ["user", "system"], "token_sha256": "%s"}]\n' "$digest" > tokens.json
  echo "$folder/first-token: what requests carry after \"Authorization: Bearer\"" >&2
fi

base64_of() { base64 < "$1" | tr -d '\n'; }
for name in scanplane-etcd scanplane-etcd-client scanplane-api scanplane-controllers; do
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  labels: {app.kubernetes.io/part-of: scanplane}\ntype: kubernetes.io/tls\n' "$name"
  printf 'data:\n  ca.crt: %s\n  tls.crt: %s\n  tls.key: %s\n' "$(base64_of ca.crt)" "$(base64_of "$name.crt")" "$(base64_of "$name.key")"
done
printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: scanplane-tokens\n  labels: {app.kubernetes.io/part-of: scanplane}\ndata:\n  tokens.json: %s\n' "$(base64_of tokens.json)"
# What jobs trust.
printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: scanplane-authority\n  labels: {app.kubernetes.io/part-of: scanplane}\ndata:\n  ca.crt: |\n'
sed 's/^/    /' ca.crt
