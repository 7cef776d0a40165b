# Starts an OpenBao server for a document, and sets the variables of its client. Its process group is
# noted for documents.py, which stops it. Source it.

openbao_folder=$(mktemp -d "$RUNNER/openbao.XXXXXX")
read -r openbao_port openbao_cluster_port < <(python3 "$(dirname "${BASH_SOURCE[0]}")/ports.py" 2)
mkdir "$openbao_folder/data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -keyout "$openbao_folder/key.pem" -out "$openbao_folder/certificate.pem" -config <(cat <<'CONFIG'
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = openbao
[extensions]
subjectAltName = IP:127.0.0.1
basicConstraints = critical, CA:FALSE
CONFIG
    ) 2>/dev/null
cat >"$openbao_folder/server.hcl" <<CONFIG
storage "raft" {
  path = "$openbao_folder/data"
  node_id = "document"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:$openbao_port"
  tls_cert_file = "$openbao_folder/certificate.pem"
  tls_key_file = "$openbao_folder/key.pem"
}
api_addr = "https://127.0.0.1:$openbao_port"
cluster_addr = "https://127.0.0.1:$openbao_cluster_port"
CONFIG
export BAO_ADDR=https://127.0.0.1:$openbao_port BAO_CACERT=$openbao_folder/certificate.pem
setsid bao server -config "$openbao_folder/server.hcl" >"$openbao_folder/log" 2>&1 </dev/null &
echo $! >>"$RUNNER/groups"
openbao_exit=1
for _ in $(seq 100); do
    # 2: the server answers, and is sealed.
    openbao_exit=0
    bao status >/dev/null 2>&1 || openbao_exit=$?
    [ "$openbao_exit" = 2 ] && break
    sleep 0.2
done
[ "$openbao_exit" = 2 ] || { cat "$openbao_folder/log" >&2; false; }
openbao_keys=$(bao operator init -key-shares=1 -key-threshold=1 -format=json)
bao operator unseal "$(jq -r '.unseal_keys_b64[0]' <<<"$openbao_keys")"
BAO_TOKEN=$(jq -r .root_token <<<"$openbao_keys")
export BAO_TOKEN
for _ in $(seq 100); do
    # 0: unsealed; the first leader needs a moment longer.
    bao secrets list >/dev/null 2>&1 && break
    sleep 0.2
done
