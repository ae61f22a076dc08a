#!/bin/bash
# pki.sh FOLDER SERVER-URL NODE=ADDRESS...: certificates and kubeconfigs of a cluster that lives for a test.
set -euo pipefail
folder=$1 server=$2
shift 2
mkdir -p "$folder"
cd "$folder"
umask 077
quietly() { openssl "$@" 2>openssl.log || { cat openssl.log >&2; exit 1; }; }
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
authority() { quietly req -x509 "${key[@]}" -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt"; }
certificate() { # file, authority, subject, extended usage, subjectAltName
  quietly req -new "${key[@]}" -subj "$3" -keyout "$1.key" -out "$1.csr"
  printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n' "$4" >extensions
  [ -z "${5:-}" ] || echo "subjectAltName=$5" >>extensions
  quietly x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 30 -out "$1.crt" -extfile extensions
}
kubeconfig() { # of the certificate of this name
  cat >"$1.conf" <<T
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: me, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: test, context: {cluster: test, user: me}}]
current-context: test
T
}
authority ca
host=${server#https://}
certificate apiserver ca /CN=kube-apiserver serverAuth "DNS:kubernetes.default.svc,IP:10.96.0.1,IP:${host%:*}"
certificate apiserver-kubelet ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
openssl ecparam -name prime256v1 -genkey -noout -out sa.key
quietly ec -in sa.key -pubout -out sa.pub
certificate admin ca /O=system:masters/CN=admin clientAuth
kubeconfig admin
for one in kube-controller-manager kube-scheduler; do
  certificate $one ca /CN=system:$one clientAuth
  kubeconfig $one
done
for node; do
  certificate "kubelet-${node%=*}" ca "/O=system:nodes/CN=system:node:${node%=*}" clientAuth
  kubeconfig "kubelet-${node%=*}"
  certificate "serving-${node%=*}" ca "/O=system:nodes/CN=system:node:${node%=*}" serverAuth "DNS:${node%=*},IP:${node#*=}"
done
