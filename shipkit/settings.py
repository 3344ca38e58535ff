"""Environment and config file. Nothing else in shipkit reads either.

:class:`Settings` is what holds whatever the carrier. Each carrier's own settings are a
:class:`CarrierSettings` in the carrier's folder, read from ``SHIPKIT_<NAME>_...``.

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
from typing import Any, NoReturn, Self, get_args

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shipkit.errors import SettingsError
from shipkit.models import Address

__all__ = ["CarrierSettings", "Settings"]


class Settings(BaseModel):
    """The settings that hold for every carrier. The one secret, a proxy's login, is not shown."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("shipkit", appauthor=False)
    )
    """The folder of previews, jobs and the sandbox's books. ``SHIPKIT_HOME``."""
    config: Path = Field(
        default_factory=lambda: (
            platformdirs.user_config_path("shipkit", appauthor=False) / "config.toml"
        )
    )
    """The config file. ``SHIPKIT_CONFIG``."""
    carrier: str = "sandbox"
    """The carrier when none is given; ``shipkit carriers`` lists them. ``SHIPKIT_CARRIER``."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Client time-out of one carrier call, in seconds. ``SHIPKIT_TIMEOUT_S``."""
    grace_s: float | None = Field(default=None, ge=0)
    """Seconds to wait before a look-up may conclude that nothing was bought. ``SHIPKIT_GRACE_S``.

    None: twice the time-out plus the carrier's processing time.
    """
    quote_cache_s: float = Field(default=3600.0, ge=0)
    """Seconds that a carrier's quote is used again for the same question; 0 asks every time.
    ``SHIPKIT_QUOTE_CACHE_S``.
    """

    proxy: SecretStr | None = None
    """The proxy for requests to carriers: an address such as ``http://proxy.example.com:8080``,
    with ``user:password@`` before the host where it wants a login, or ``environment`` for
    ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``ALL_PROXY``. ``NO_PROXY`` holds for both. By default
    requests go straight to the carrier. ``SHIPKIT_PROXY``.
    """

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Return the settings of an environment, with `overrides` on top.

        Parameters
        ----------
        environ
            Default: the environment of this process. An empty value counts as not set.
        **overrides
            Values by field name; None leaves the environment's.

        Raises
        ------
        SettingsError
            A value cannot be used; the message names its variable.
        """
        found = _values(cls, "SHIPKIT_", environ)
        found |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**found)
        except ValidationError as error:
            raise _unusable("SHIPKIT_", error) from None

    @cached_property
    def file(self) -> Mapping[str, Any]:
        """The content of the config file, empty when there is none."""
        try:
            return tomllib.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(
                f"The config file {self.config} cannot be read: {error}.",
                fix="Correct it, or point SHIPKIT_CONFIG to another file.",
            ) from None

    def shipper(self, name: str) -> Address:
        """Return the shipper called `name` in the config file.

        Raises
        ------
        SettingsError
            There is no such shipper, or its fields cannot be used.
        """
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


class CarrierSettings(BaseModel):
    """Base of a carrier's own settings: one field for each variable ``SHIPKIT_<NAME>_<FIELD>``.

    A field without a default is required. Secrets are `SecretStr`, so that no repr, log or file
    shows them. Two names have a meaning for ``shipkit carriers``: `env` is the environment that
    purchases go to, and of `account` the last four characters are shown.

    Instances cannot be pickled: a pickle would hold the secrets as plain text.

    Examples
    --------
    >>> class AcmeSettings(CarrierSettings):
    ...     api_key: SecretStr
    ...     base_url: str | None = None
    >>> AcmeSettings.missing("acme", {})
    ['SHIPKIT_ACME_API_KEY']
    >>> AcmeSettings.read("acme", {"SHIPKIT_ACME_API_KEY": "s3cret"})
    AcmeSettings(api_key=SecretStr('**********'), base_url=None)
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def variables(cls, carrier: str) -> dict[str, str]:
        """Return the environment variable of each field."""
        return {field: f"{_prefix(carrier)}{field.upper()}" for field in cls.model_fields}

    @classmethod
    def missing(cls, carrier: str, environ: Mapping[str, str] | None = None) -> list[str]:
        """Return the variables of required fields that are not set."""
        env = os.environ if environ is None else environ
        return [
            variable
            for field, variable in cls.variables(carrier).items()
            if cls.model_fields[field].is_required() and not env.get(variable)
        ]

    @classmethod
    def shown(cls, carrier: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return `env` and `account` for people, of fields with these names; "" where not known."""
        found = _values(cls, _prefix(carrier), environ)
        env = cls.model_fields.get("env")
        account = str(found.get("account", ""))
        return {
            "env": str(found.get("env") or (env.default if env else "")),
            "account": f"...{account[-4:]}" if account else "",
        }

    @classmethod
    def read(
        cls, carrier: str, environ: Mapping[str, str] | None = None, *, guide: str = ""
    ) -> Self:
        """Return the settings of `carrier` in an environment (default: of this process).

        Parameters
        ----------
        guide
            The page that says where the values come from.

        Raises
        ------
        SettingsError
            Required variables are not set (the message names all of them), or a value cannot be
            used.
        """
        lacking = cls.missing(carrier, environ)
        if lacking:
            raise SettingsError(
                f"The carrier {carrier} needs {', '.join(lacking)}.",
                fix=f"Set them in the environment{f'; see {guide}' if guide else ''}.",
            )
        try:
            return cls(**_values(cls, _prefix(carrier), environ))
        except ValidationError as error:
            raise _unusable(_prefix(carrier), error) from None

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} may hold secrets and cannot be pickled")


def _prefix(carrier: str) -> str:
    return f"SHIPKIT_{carrier.upper()}_"


def _values(
    model: type[BaseModel], prefix: str, environ: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return the values that are set, by field.

    Secrets are wrapped at once: a traceback that shows local variables must not show them.
    """
    env = os.environ if environ is None else environ
    return {
        name: SecretStr(env[variable]) if _is_secret(field.annotation) else env[variable]
        for name, field in model.model_fields.items()
        if env.get(variable := f"{prefix}{name.upper()}")
    }


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _unusable(prefix: str, error: ValidationError) -> SettingsError:
    where = "; ".join(
        f"{prefix}{str(e['loc'][0]).upper() if e['loc'] else '*'}: {e['msg']}"
        for e in error.errors(include_input=False)
    )
    return SettingsError(
        f"The environment has a value that cannot be used. {where}.", fix="Correct or unset it."
    )
