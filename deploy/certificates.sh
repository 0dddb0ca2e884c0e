#!/bin/sh
# Makes what deploy/compose.yaml takes as secrets: a certificate authority, certificates for etcd, the API, the controllers and the proxy, and a
# first token. Run again it renews certificates that end within 30 days and leaves everything else as it is.
# As root, since keys belong to the user of the containers (65532) alone.
# usage: certificates.sh [FOLDER]       SCANPLANE_NAMES=DNS:scans.example.org,IP:192.0.2.7 adds names of the proxy
set -eu
umask 077
cd "$(dirname "$0")"
folder=${1:-secrets}
owner=${SCANPLANE_UID:-65532}
mkdir -p "$folder"
cd "$folder"

config=$(mktemp)
trap 'rm -f "$config" ./*.csr' EXIT

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
  echo "$1: new certificate"
}

for member in etcd-1 etcd-2 etcd-3; do
  # A member is its peers' client, too.
  certificate "$member" serverAuth,clientAuth "DNS:$member,DNS:localhost,IP:127.0.0.1"
done
certificate scanplane clientAuth
certificate api serverAuth DNS:api-1,DNS:api-2,DNS:localhost,IP:127.0.0.1
certificate controllers serverAuth DNS:controllers-1,DNS:controllers-2,DNS:localhost,IP:127.0.0.1
certificate proxy serverAuth "DNS:proxy,DNS:localhost,IP:127.0.0.1${SCANPLANE_NAMES:+,$SCANPLANE_NAMES}"
cat proxy.crt proxy.key > proxy.pem # as HAProxy reads it

if [ ! -f tokens.json ]; then
  openssl rand -hex 32 | tr -d '\n' > first-token
  digest=$(openssl dgst -sha256 -r first-token | cut -d ' ' -f 1)
  printf '[{"name": "first", "roles": ["user", "system"], "token_sha256": "%s"}]\n' "$digest" > tokens.json
  echo "first-token: what requests carry after \"Authorization: Bearer\""
fi

chmod 0755 .
chmod 0644 ./*.crt
chmod 0600 ca.key first-token
for name in etcd-1 etcd-2 etcd-3 scanplane api controllers proxy; do chown "$owner" "$name.key"; done
chown "$owner" proxy.pem tokens.json
