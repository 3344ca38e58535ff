#!/usr/bin/env bash
# The adapters with the real agent frameworks, in throwaway environments. Usage: tests/agent/hosts/run.sh [PYTHON]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${1:-$root/.venv/bin/python}
envs=${HOST_ENVS:-$root/.cache/hosts}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

environment() {  # name, packages...
  local folder=$envs/$1
  shift
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet "$@"
}

environment new --editable "$root[mcp]" pytest pytest-timeout jsonschema "claude-agent-sdk==0.2.187" "openai-agents==0.24.0" "openai==3.57.0" "anthropic==2.14.0" "google-genai==3.6.1"
"$envs/new/bin/python" -m pytest -q -p no:cacheprovider "$root/tests/agent/test_adapters.py" "$root/tests/agent/test_vendor_sdks.py"

environment langchain --editable "$root" "langchain-mcp-adapters==0.3.2"
echo '{"name": "Dana Ortiz", "address_line1": "300 Alamo Plaza", "city": "San Antonio", "state": "TX", "postal_code": "78205", "phone": "2105550100"}' > "$work/shop.json"
"$envs/langchain/bin/python" "$here/langchain_check.py" "$python" "$work/home" "$work/shop.json"
