"""For people who test how order files are read: files spoiled on purpose, and a judge.

`Clean` holds an order file that is read rightly and what its shipments are; `spoiled` applies
random damage of the kinds in `KINDS`; `judged` reads the spoiled file and says where a shipment
changed without a word.
"""

from shipkit.testing.judge import Clean, Verdict, judged
from shipkit.testing.kinds import KINDS, spoiled
from shipkit.testing.spoiled_file import SpoiledFile

__all__ = ["KINDS", "Clean", "SpoiledFile", "Verdict", "judged", "spoiled"]
