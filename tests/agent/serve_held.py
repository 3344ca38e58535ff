"""A server process over a carrier that waits: ``serve_held.py HOME LATENCY_S [server options]``.

It sells three shipments and then answers no more while ``HOME/hold`` exists. It makes the file
``HOME/asked`` when its job is asked to pause, so that another process can wait for that.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "held_carrier"))

from held_carrier import HeldSandbox

from shipkit.agent.mcp_server import main, run
from shipkit.purchasing.signals import Control


def show_requests(path: Path) -> None:
    """Make the file `path` at every request to stop a job, after the job has it."""
    ask = Control._ask

    def asked(control: Control, request: str) -> None:
        ask(control, request)
        path.touch()

    Control._ask = asked


if __name__ == "__main__":
    home, latency_s, *options = sys.argv[1:]
    show_requests(Path(home) / "asked")
    carrier = HeldSandbox(
        Path(home) / "hold", home=home, latency_s=float(latency_s), absence_is_proof_after_s=0.5
    )
    sys.exit(main(options, run=lambda **given: run(**{**given, "carrier": carrier, "home": home})))
