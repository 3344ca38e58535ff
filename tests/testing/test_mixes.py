"""Random mixes of damage change no shipment without an error. Thousands: `benchmarks/dirt.py`."""

from __future__ import annotations

import pytest

from shipkit.testing import judged, spoiled


@pytest.mark.parametrize(
    "seed",
    [*range(100, 112), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(112, 130))],
)
def test_no_shipment_changes_without_a_word(clean, tmp_path, seed):
    file = spoiled(clean.file(), seed)
    verdict = judged(file, clean, tmp_path / "orders.csv")
    assert verdict.silent == (), file.kinds
