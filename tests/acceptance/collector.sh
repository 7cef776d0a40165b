# Starts a collector of traces and logs for a document, on the port of OTLP over HTTP. It prints what it
# receives to $RUNNER/collector.log. Its process group is noted for documents.py, which stops it. Source
# it.

collector_tools=$(dirname "$(command -v bao)")/..
setsid "$collector_tools"/lib/python*/site-packages/rotel/rotel-agent start \
    --otlp-http-endpoint 127.0.0.1:4318 --otlp-grpc-endpoint 127.0.0.1:4317 --exporter blackhole \
    --disable-batching --debug-log traces --debug-log logs --debug-log-verbosity detailed \
    >"$RUNNER/collector.log" 2>&1 </dev/null &
collector=$!
echo "$collector" >>"$RUNNER/groups"
collector_exit=1
for _ in $(seq 100); do
    kill -0 "$collector" 2>/dev/null || break
    if (: </dev/tcp/127.0.0.1/4318) 2>/dev/null; then
        collector_exit=0
        break
    fi
    sleep 0.1
done
[ "$collector_exit" = 0 ] || { cat "$RUNNER/collector.log" >&2; false; }
