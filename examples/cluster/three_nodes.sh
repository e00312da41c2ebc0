#!/usr/bin/env bash
# A NATS server, a gateway, three nodes and two workers on this machine, for 30 seconds. After ten
# of them a node is killed, and the others resume its shards. See README.md beside this file.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v nats-server >/dev/null || PATH=$PATH:/usr/sbin
command -v nats-server >/dev/null || {
    echo "nats-server is missing: apt install nats-server"
    exit 1
}
cargo build --quiet --features nats --example local_gateway --example cluster_node \
    --example cluster_worker
programs=${CARGO_TARGET_DIR:-target}/debug/examples
logs=$(mktemp -d)
echo "logs: $logs"
started=()
end() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
}
trap end EXIT

nats-server -c examples/cluster/nats.conf -sd "$logs/nats" >"$logs/nats.log" 2>&1 &
started+=($!)
until grep -q "Server is ready" "$logs/nats.log"; do sleep 0.1; done

"$programs/local_gateway" --frames examples/frames/harbour.jsonl --repeat 10000 \
    --interval-ms 100 --shards 6 --max-concurrency 6 >"$logs/gateway.log" &
started+=($!)
until grep -q ^listening "$logs/gateway.log"; do sleep 0.1; done
read -r _ GATEWAY_URL API_URL <"$logs/gateway.log"
export GATEWAY_URL API_URL DISCORD_TOKEN=any

for node in 1 2 3; do
    "$programs/cluster_node" 2>"$logs/node$node.log" &
    started+=($!)
    last=$!
done
for worker in 1 2; do
    "$programs/cluster_worker" >"$logs/worker$worker.log" 2>&1 &
    started+=($!)
done

sleep 10
echo "node 3 is killed; its lease is 10 seconds"
kill -9 "$last"
sleep 20
echo "shards that node 1 and 2 took, before and after:"
grep -h " claimed" "$logs/node1.log" "$logs/node2.log"
echo "events handled: $(cat "$logs"/worker?.log | wc -l)"
echo "identifies: $(grep -c '"act":"identify"' "$logs/gateway.log")," \
    "resumes: $(grep -c '"act":"resume"' "$logs/gateway.log")"
