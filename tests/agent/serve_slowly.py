"""A real server process over a sandbox that takes its time: ``serve_slowly.py HOME LATENCY_S
[server options]``.
"""

import sys

import shipkit as sk
from shipkit.agent.mcp_server import main, run

if __name__ == "__main__":
    home, latency_s, *options = sys.argv[1:]
    carrier = sk.SandboxCarrier(
        home=home, latency_s=float(latency_s), concurrency=4, absence_is_proof_after_s=0.5
    )
    sys.exit(main(options, run=lambda **given: run(**{**given, "carrier": carrier, "home": home})))
