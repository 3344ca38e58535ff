"""Environment and config file, read once, in one place. Nothing else reads either.

The config file is ``config.toml`` in the platform's user config folder (or ``SHIPKIT_CONFIG``)::

    [shippers.harbor]
    name = "Dana Ortiz"
    address_line1 = "300 Alamo Plaza"
    city = "San Antonio"
    state = "TX"
    postal_code = "78205"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shipkit.errors import SettingsError
from shipkit.models import Address

__all__ = ["Settings"]


class Settings(BaseModel):
    """Everything that comes from outside. Secrets are `SecretStr`: no repr, log or file shows them."""

    model_config = ConfigDict(frozen=True)

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("shipkit", appauthor=False)
    )
    """Previews, jobs, the sandbox's books. ``SHIPKIT_HOME``."""
    config: Path = Field(
        default_factory=lambda: (
            platformdirs.user_config_path("shipkit", appauthor=False) / "config.toml"
        )
    )
    """The config file. ``SHIPKIT_CONFIG``."""
    carrier: str = "sandbox"
    """``SHIPKIT_CARRIER``."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Client time-out of one carrier call. ``SHIPKIT_TIMEOUT_S``."""
    grace_s: float | None = Field(default=None, ge=0)
    """Wait before a look-up concludes absence; None: 2 x time-out + the carrier's processing time. ``SHIPKIT_GRACE_S``."""
    ups_env: str = Field(default="test", pattern="^(test|live)$")
    """``SHIPKIT_UPS_ENV``."""
    ups_client_id: str | None = None
    """``SHIPKIT_UPS_CLIENT_ID``."""
    ups_client_secret: SecretStr | None = None
    """``SHIPKIT_UPS_CLIENT_SECRET``."""
    ups_account: str | None = None
    """``SHIPKIT_UPS_ACCOUNT``."""
    ups_base_url: str | None = None
    """``SHIPKIT_UPS_BASE_URL``: https and a UPS host, or loopback."""
    ups_absence_proof_s: float | None = Field(default=None, gt=0)
    """``SHIPKIT_UPS_ABSENCE_PROOF_S``."""
    quote_cache_s: float = Field(default=3600.0, ge=0)
    """How long a carrier's quote is used again for the same question; 0 asks every time. ``SHIPKIT_QUOTE_CACHE_S``."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Return the settings of `environ` (default: this process's), with `overrides` that are not None on top."""
        env = os.environ if environ is None else environ
        found = {
            name: env[f"SHIPKIT_{name.upper()}"]
            for name in cls.model_fields
            if env.get(f"SHIPKIT_{name.upper()}")
        }
        found |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**found)
        except ValidationError as error:
            where = "; ".join(
                f"SHIPKIT_{str(e['loc'][0]).upper()}: {e['msg']}"
                for e in error.errors(include_input=False)
            )
            raise SettingsError(
                f"The environment has a value that cannot be used. {where}.",
                fix="Correct or unset it.",
            ) from None

    @cached_property
    def file(self) -> Mapping[str, Any]:
        """The config file's content, empty when there is none."""
        try:
            return tomllib.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(
                f"The config file {self.config} cannot be read: {error}.",
                fix="Correct it, or point SHIPKIT_CONFIG elsewhere.",
            ) from None

    def shipper(self, name: str) -> Address:
        """Return the shipper called `name` in the config file."""
        known = self.file.get("shippers", {})
        if name not in known:
            have = f"It has: {', '.join(sorted(known))}." if known else "It has none."
            raise SettingsError(
                f"No shipper {name!r} in {self.config}. {have}",
                fix=f"Add a [shippers.{name}] section, or pass an sk.Address.",
            )
        try:
            return Address(**known[name])
        except ValidationError as error:
            where = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in error.errors(include_input=False)
            )
            raise SettingsError(
                f"Shipper {name!r} in {self.config} cannot be used. {where}.",
                fix="Correct that section.",
            ) from None
