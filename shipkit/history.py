"""Orders that earlier jobs of the same home and account have: shown in the preview, and claimed before anything is sent.

Every job that begins leaves a small file of keys (digests, no addresses) under ``<home>/claims``. Two jobs that begin
at the same moment take turns under one lock, so the second sees the first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.carriers.base import CarrierIdentity
from shipkit.disk import Disk, make_private
from shipkit.lock import held
from shipkit.manifest import account_key
from shipkit.table import ADDRESS_FIELDS

__all__ = ["account_key", "claim", "keys", "seen"]


def claim(checkpoint: Any, states: Any) -> dict[int, str]:
    return {}


def seen(home: Path, identity: CarrierIdentity, plan: pa.Table, *, but_not: str | None = None) -> dict[int, str]:
    return {}
