"""A server process over a carrier that waits: ``serve_held.py HOME LATENCY_S [server options]``.

It sells three shipments and then answers no more while ``HOME/hold`` exists.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "held_carrier"))

from held_carrier import HeldSandbox

from shipkit.agent.mcp_server import main, run

if __name__ == "__main__":
    home, latency_s, *options = sys.argv[1:]
    carrier = HeldSandbox(
        Path(home) / "hold", home=home, latency_s=float(latency_s), absence_is_proof_after_s=0.5
    )
    sys.exit(main(options, run=lambda **given: run(**{**given, "carrier": carrier, "home": home})))
