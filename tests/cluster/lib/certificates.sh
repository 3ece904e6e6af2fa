# shellcheck shell=bash
# The cluster's certificate authority, its certificates and kubeconfigs. One authority signs everything; P-256 keys, because making
# RSA keys would be the slowest part of the start. Sourced by up.sh.

make_authority() {
  mkdir -p "$DIR/pki"
  chmod 700 "$DIR/pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=ballast-test-cluster \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$DIR/pki/ca.key" -out "$DIR/pki/ca.crt" 2>/dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$DIR/pki/service-account.key" 2>/dev/null
  openssl pkey -in "$DIR/pki/service-account.key" -pubout -out "$DIR/pki/service-account.pub"
}

# certificate NAME COMMON-NAME [ORGANISATION [SUBJECT-ALT-NAMES]]
certificate() {
  local name=$1 subject="${3:+/O=$3}/CN=$2" names=()
  [[ -n ${4:-} ]] && names=(-addext "subjectAltName=$4")
  openssl req -x509 -CA "$DIR/pki/ca.crt" -CAkey "$DIR/pki/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj "$subject" "${names[@]}" -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=serverAuth,clientAuth -keyout "$DIR/pki/$name.key" -out "$DIR/pki/$name.crt" 2>/dev/null
}

# write_kubeconfig FILE CERTIFICATE-NAME. Everything is embedded, so that the file works wherever it is copied.
write_kubeconfig() {
  (
    umask 077
    cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: ballast-test
  cluster:
    server: $API_SERVER
    certificate-authority-data: $(base64 -w0 "$DIR/pki/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 "$DIR/pki/$2.crt")
    client-key-data: $(base64 -w0 "$DIR/pki/$2.key")
contexts:
- name: ballast-test
  context: {cluster: ballast-test, user: $2}
current-context: ballast-test
YAML
  )
}

# identity NAME COMMON-NAME [ORGANISATION]: a client certificate and its kubeconfig in DIR/NAME.kubeconfig.
identity() {
  certificate "$1" "$2" "${3:-}"
  write_kubeconfig "$DIR/pki/$1.kubeconfig" "$1"
}
