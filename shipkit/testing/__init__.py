"""For people who test how order files are read: files spoiled on purpose, and a judge.

`Clean` holds an order file that is read rightly and what its shipments are; `spoiled` applies
random damage of the kinds in `KINDS`; `judged` reads the spoiled file and says where a shipment
changed without a word. `written_back` ships a spoiled file in the sandbox, writes the tracking
numbers back, and says which is not in the row of its own order.
"""

from shipkit.testing.judge import Clean, Verdict, judged
from shipkit.testing.kinds import KINDS, spoiled
from shipkit.testing.spoiled_file import SpoiledFile
from shipkit.testing.write_back import WriteVerdict, written_back

__all__ = [
    "KINDS",
    "Clean",
    "SpoiledFile",
    "Verdict",
    "WriteVerdict",
    "judged",
    "spoiled",
    "written_back",
]
