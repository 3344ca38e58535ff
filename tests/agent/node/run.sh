#!/usr/bin/env bash
# Drives the real MCP server with testers that no one here wrote: two TypeScript clients, the Inspector, the conformance suite.
# Usage: tests/agent/node/run.sh [PYTHON]     Needs npm. NODE_TOOLS names a folder to keep the packages in (default .cache/node-tools).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${1:-$root/.venv/bin/python}
tools=${NODE_TOOLS:-$root/.cache/node-tools}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

mkdir -p "$tools"
if ! cmp -s "$here/package.json" "$tools/.installed"; then
  cp "$here/package.json" "$tools/package.json"
  npm install --prefix "$tools" --silent --no-fund --no-audit --no-package-lock || { echo "npm cannot install the testers" >&2; exit 75; }
  cp "$here/package.json" "$tools/.installed"
fi
export PATH="$tools/node_modules/.bin:$PATH"   # Node 22 from npm first: with Node 20 the Inspector is an old one
cat > "$work/shop.json" <<'JSON'
{"name": "Dana Ortiz", "company": "Harbor Goods", "address_line1": "300 Alamo Plaza", "city": "San Antonio", "state": "TX", "postal_code": "78205", "country": "US", "phone": "2105550100"}
JSON
export SHIPKIT_HOME="$work/home" SHIPKIT_GRACE_S=0.5

echo "== the Inspector: every schema portable, a call"
mcp-inspector --cli "$python" -m shipkit.agent.mcp_server --connect-timeout 120000 --method tools/list --strict > "$work/tools.json" 2> "$work/warnings.txt"
if grep -q Warning: "$work/warnings.txt"; then cat "$work/warnings.txt"; exit 1; fi
mcp-inspector --cli "$python" -m shipkit.agent.mcp_server --shipper "harbor=$work/shop.json" --connect-timeout 120000 --method tools/call --tool-name batch_resume | grep -q "No interrupted jobs"

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port/mcp
start() {
  "$python" "$root/tests/agent/serve_held.py" "$SHIPKIT_HOME" 0.2 --http --port "$port" --shipper "harbor=$work/shop.json" 2> "$work/server.txt" &
  server=$!
  "$python" -c '
import socket, sys, time
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=1).close()
        break
    except OSError:
        time.sleep(0.1)' "$port"
}
start

echo "== the Inspector over HTTP: the whole way, and kill -9 of the server"
call() { local tool=$1; shift; mcp-inspector --cli "$url" --transport http --connect-timeout 120000 --method tools/call --tool-name "$tool" "$@"; }
rows=$("$python" -c 'import json; print(json.dumps([{"order_id": f"insp-{i}", "name": "Ada Lee", "address1": f"{i} Inspector Rd", "city": "Austin", "state": "TX", "zip": "78701", "weight_lb": 2, "service": "ground"} for i in range(1, 41)]))')
call load_orders --tool-arg "rows=$rows" > /dev/null
preview=$(call batch_preview | grep -o 'pv_[0-9a-f]*' | head -1)
if call batch_execute --tool-arg "preview_id=$preview" > "$work/refused.txt" 2>&1; then echo "bought without approval"; exit 1; fi
grep -q "Preview approval required" "$work/refused.txt"
"$python" -c '
import datetime as dt, pathlib, sys
from shipkit.purchasing.approval import approve
approve(pathlib.Path(sys.argv[1]), sys.argv[2], now=dt.datetime.now(dt.UTC), by="tester", via="terminal")' "$SHIPKIT_HOME" "$preview"
touch "$SHIPKIT_HOME/hold"
job=$(call batch_execute --tool-arg "preview_id=$preview" --tool-arg wait_s=0 | grep -o 'job-[0-9a-z]*' | head -1)
kill -9 "$server"
wait "$server" 2>/dev/null || true
rm "$SHIPKIT_HOME/hold"
start
call batch_resume | grep -q '"status": "interrupted"'
call batch_resume --tool-arg "job_id=$job" --tool-arg choice=resume | grep -q '"shipped": 40'
mcp-inspector --cli "$url" --transport http --connect-timeout 120000 --method resources/read --uri "shipkit://jobs/$job/results.csv" | grep -q tracking_number
echo "ok   the Inspector"

echo "== TypeScript clients"
cp "$here/clients.mjs" "$tools/clients.mjs"
node "$tools/clients.mjs" "$python" "$root/tests/agent/serve_held.py" "$work/shop.json" "$work" "$url"

echo "== conformance"
# Every scenario that needs no fixture tools in the server; docs/how-to/agents.md has the whole table.
for scenario in server-initialize server-session-lifecycle ping server-sse-multiple-streams input-required-result-validate-input tools-list resources-list prompts-list caching http-header-validation dns-rebinding-protection sep-2164-resource-not-found input-required-result-unsupported-methods; do
  conformance server --url "$url" --scenario "$scenario" > "$work/conformance.txt" 2>&1 || { cat "$work/conformance.txt"; echo "FAILED $scenario"; exit 1; }
  echo "ok   $scenario"
done
echo "all testers agree"
