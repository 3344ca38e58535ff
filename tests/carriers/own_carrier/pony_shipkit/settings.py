"""The settings of a Pony Parcels account, from SHIPKIT_PONY_..."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from shipkit.settings import CarrierSettings


class PonySettings(CarrierSettings):
    """The variables SHIPKIT_PONY_API_KEY, SHIPKIT_PONY_ACCOUNT, ..."""

    api_key: SecretStr
    account: str
    env: Literal["test", "live"] = "test"
    base_url: str = "https://api.ponyparcels.example"
    absence_proof_s: float = Field(default=60.0, gt=0)
