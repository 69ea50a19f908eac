#!/usr/bin/env bash
# Builds the server with a profile of itself under the loads of steadfast-bench, by cargo-pgo: for packages of it.
# The result is under target/, in a folder named after the machine's target triple. Takes half an hour on two cores.
set -euo pipefail

rustup component add llvm-tools
cargo pgo --version >/dev/null 2>&1 || cargo install --locked cargo-pgo
cargo build --release --locked -p steadfast-bench
triple=$(rustc -vV | sed -n 's/^host: //p')
server=target/$triple/release/steadfast
bench=target/release/steadfast-bench

rm -rf target/pgo-profiles
cargo pgo build -- --locked -p steadfast
folder=$(mktemp -d target/pgo-data.XXXXXX)
read -r port ui_port < <(python3 - <<'PORTS'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))
PORTS
)
"$server" server start --data-dir "$folder/data" --ip 127.0.0.1 --port "$port" --ui-port "$ui_port" --log-level warn &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" || true; rm -rf -- "$folder"' EXIT
for _ in $(seq 100); do
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
	sleep 0.1
done
at=(--address "127.0.0.1:$port")
"$bench" run "${at[@]}" --concurrency 200 --seconds 20
"$bench" run "${at[@]}" --concurrency 200 --seconds 10 --sticky --activities 3
"$bench" run "${at[@]}" --concurrency 1 --seconds 5
"$bench" idle "${at[@]}" --open 20000
"$bench" ui "${at[@]}" --ui "http://127.0.0.1:$ui_port" --workflows 20000 --events 5000 --viewers 50 --samples 20
# The profile is written when it ends.
kill "$pid"
wait "$pid"
trap - EXIT
rm -rf -- "$folder"

cargo pgo optimize build -- --locked -p steadfast
echo "=== $server"
