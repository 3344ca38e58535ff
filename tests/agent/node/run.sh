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
export SHIPKIT_HOME="$work/home"

echo "== the Inspector: every schema portable, a call"
mcp-inspector --cli "$python" -m shipkit.agent.server --method tools/list --strict > "$work/tools.json" 2> "$work/warnings.txt"
if grep -q Warning: "$work/warnings.txt"; then cat "$work/warnings.txt"; exit 1; fi
mcp-inspector --cli "$python" -m shipkit.agent.server --shipper "harbor=$work/shop.json" --method tools/call --tool-name batch_resume | grep -q "No interrupted jobs"

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$python" "$root/tests/agent/serve_slowly.py" "$SHIPKIT_HOME" 0.2 --http --port "$port" --shipper "harbor=$work/shop.json" 2> "$work/server.txt" &
server=$!
"$python" - "$port" <<'PY'
import socket, sys, time
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=1).close()
        break
    except OSError:
        time.sleep(0.1)
PY

echo "== TypeScript clients"
cp "$here/clients.mjs" "$tools/clients.mjs"
node "$tools/clients.mjs" "$python" "$root/tests/agent/serve_slowly.py" "$work/shop.json" "$work" "http://127.0.0.1:$port/mcp"

echo "== conformance"
for scenario in tools-list resources-list prompts-list caching http-header-validation dns-rebinding-protection sep-2164-resource-not-found input-required-result-unsupported-methods; do
  conformance server --url "http://127.0.0.1:$port/mcp" --scenario "$scenario" > "$work/conformance.txt" 2>&1 || { cat "$work/conformance.txt"; echo "FAILED $scenario"; exit 1; }
  echo "ok   $scenario"
done
echo "all testers agree"
