"""Commands for parcels that are about to leave: manifests for the driver."""

from __future__ import annotations

from argparse import Namespace

from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.cli.job_commands import open_job
from shipkit.cli.json_facts import cells

__all__ = ["manifest"]


def manifest(args: Namespace, console: Console) -> End:
    """Put bought labels on manifests, and save their papers."""
    with open_job(args, args.job) as job:
        console.say(f"{job.job_id} on {job.store.manifest.identity}")
        made = job.manifest(args.where)
        console.say(repr(made))
        for name, frame in (("manifest", made.frame), ("left_out", made.left_out)):
            for row in frame.to_dict("records"):
                console.record(name, **cells(row, frame.columns))
        files = [str(path) for path in made.save(args.output)] if args.output else []
        for path in files:
            console.say(f"Saved: {path}")
        return End(
            Exit.SOME_FAILED if len(made.left_out) else Exit.DONE,
            job_id=job.job_id,
            facts={"manifests": len(made), "left_out": len(made.left_out), "files": files},
        )
