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

import contextlib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self, get_args

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from shipkit.errors import InputError, SettingsError
from shipkit.field_faults import fault_words, faults_of
from shipkit.home_url import cache_of, shown_home, store_url, url_of
from shipkit.models import Address

__all__ = ["CarrierSettings", "Machine", "Settings"]


def _data_folder() -> Path:
    """Return the platform's folder for a user's data. Raises SettingsError if there is none."""
    folder = _of_user(lambda: platformdirs.user_data_path("shipkit", appauthor=False))
    if folder is None:
        home = os.environ.get("HOME")
        why = "HOME is not set and this user has no entry in the list of users"
        if home is not None:
            why = f"HOME is {home!r}, which is not a whole path"
        raise SettingsError(
            f"There is no folder for previews and jobs: {why}.",
            fix="Set SHIPKIT_HOME to a folder that is kept, such as /srv/shipping/home.",
        )
    return folder


def _config_file(settled: Mapping[str, Any]) -> Path:
    """Return the platform's place of the config file; without a user's folder, in the home."""
    folder = _of_user(lambda: platformdirs.user_config_path("shipkit", appauthor=False))
    return (folder or settled["home"]) / "config.toml"


def _of_user(find: Callable[[], Path]) -> Path | None:
    """Return a folder of the user; None in a container or a service without one.

    With HOME empty or relative, Python would take the root or the working folder for it: jobs
    would be in another place tomorrow, and their orders would be bought again.
    """
    try:
        found = find()
    except (RuntimeError, KeyError):
        return None
    home = os.environ.get("HOME")
    by_home = os.name == "posix" and home is not None and not Path(home).is_absolute()
    named = any(os.environ.get(name) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"))
    return None if (by_home and not named) or not found.is_absolute() else found


def _whole_path(path: Path) -> Path:
    """Return a path as it is meant, absolute. Raises ValueError."""
    text = str(path)
    if text.startswith(("$", "%")):
        raise ValueError(f"{text} begins with a variable that was not replaced")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"{text}: there is no folder of that user") from None


class Settings(BaseModel):
    """The settings that hold for every carrier. The one secret, a proxy's login, is not shown."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    home: Path = Field(default_factory=_data_folder)
    """The folder of previews, jobs and the sandbox's books, where ``~`` is the user's own folder,
    or ``s3://bucket/prefix`` for a home that several machines share; this is then the folder that
    caches it. ``SHIPKIT_HOME``.
    """
    config: Path = Field(default_factory=_config_file)
    """The config file; one that does not exist is an empty one. ``SHIPKIT_CONFIG``."""
    carrier: str = "sandbox"
    """The carrier when none is given; ``shipkit carriers`` lists them. ``SHIPKIT_CARRIER``."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Client time-out of one carrier call, in seconds. ``SHIPKIT_TIMEOUT_S``."""
    grace_s: float | None = Field(default=None, ge=0)
    """Seconds to wait before a look-up may conclude that nothing was bought. ``SHIPKIT_GRACE_S``.

    None: twice the time-out plus the carrier's processing time.
    """
    lease_s: float = Field(default=30.0, ge=1, le=3600)
    """Seconds without a sign of life after which another machine may go on with a job of a home in
    an object store. ``SHIPKIT_LEASE_S``.
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

    @field_validator("home", mode="before")
    @classmethod
    def _cached(cls, home: Any) -> Any:
        """Return the cache of a home in an object store."""
        url = store_url(home)
        return home if url is None else cache_of(url)

    @field_validator("home", "config", mode="after")
    @classmethod
    def _found(cls, path: Path) -> Path:
        """Return the whole path: a process that changes its folder must keep its jobs."""
        return _whole_path(path)

    @field_validator("home", mode="after")
    @classmethod
    def _can_be_a_folder(cls, home: Path) -> Path:
        """Refuse a home that is a file, or is below one: it would be an empty list of jobs."""
        for place in (home, *home.parents):
            if os.path.isdir(place):  # noqa: PTH112 - Path.is_dir raises without permission
                return home
            if os.path.exists(place):  # noqa: PTH110
                raise ValueError(f"{home} cannot be a folder: {place} is a file or a device")
        return home

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
            A value cannot be used; the message names its variable, or the override.
        """
        found = _values(cls, "SHIPKIT_", environ)
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**found | given)
        except ValidationError as error:
            raise _unusable("SHIPKIT_", error, given) from None

    @property
    def local_home(self) -> Path:
        """A folder that this machine keeps.

        The home, or for one in an object store the user's data folder (without one, the cache).
        """
        if url_of(self.home) is None:
            return self.home
        try:
            return _data_folder()
        except SettingsError:
            return self.home

    @property
    def shown_home(self) -> str:
        """The home as a person wrote it."""
        return shown_home(self.home)

    @cached_property
    def file(self) -> Mapping[str, Any]:
        """The content of the config file, empty when there is none."""
        try:
            return tomllib.loads(self.config.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(
                f"The config file {self.config} cannot be read: {error}.",
                fix="Correct it, or point SHIPKIT_CONFIG to another file.",
            ) from None

    def __reduce__(self) -> Any:
        if self.proxy is not None:
            raise TypeError(
                "these settings hold the login of a proxy and cannot be pickled: "
                "let each process read its own environment"
            )
        return super().__reduce__()

    @property
    def shippers(self) -> dict[str, Address]:
        """The shippers of the config file by name, without those whose fields cannot be used."""
        found = {}
        for name in self.file.get("shippers", {}):
            with contextlib.suppress(SettingsError):
                found[name] = self.shipper(name)
        return found

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
            said = faults_of(error, Address.model_fields)
        except InputError as error:
            said = error.message.removesuffix(".")
        except TypeError:
            said = "it is not a section of fields"
        raise SettingsError(
            f"Shipper {name!r} in {self.config} cannot be used: {said}.",
            fix="Correct that section.",
        )


class Machine(BaseModel):
    """How much of the machine one process uses. Read each time a database is opened.

    Several processes on one machine should not each take half of it: ``executor="processes"`` and
    other executors divide it by their workers, where nothing is set here.
    """

    model_config = ConfigDict(frozen=True)

    memory: str | None = None
    """Memory of one database before it writes to its temporary folder, such as ``4GB`` or ``25%``
    of the machine; default: half of the machine. A process has one database for its orders and
    one for each price table that it makes. ``SHIPKIT_MEMORY``.
    """
    threads: int | None = Field(default=None, ge=1)
    """Most threads that read, price and write at the same time; default: one for each core.
    ``SHIPKIT_THREADS``.
    """

    @field_validator("memory", mode="after")
    @classmethod
    def _usable(cls, memory: str | None) -> str | None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%|[KMGT]i?B)", memory or "1%")
        amount = float(found[1]) if found else 0
        if found is None or amount == 0 or (found[2] == "%" and amount > 100):
            raise ValueError("write it as 4GB, or as 25% of the machine")
        return memory

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Machine:
        """Return the settings of an environment (default: of this process).

        Raises
        ------
        SettingsError
            A value cannot be used; the message names its variable.
        """
        try:
            return cls(**_values(cls, "SHIPKIT_", environ))
        except ValidationError as error:
            raise _unusable("SHIPKIT_", error) from None


class CarrierSettings(BaseModel):
    """Base of a carrier's own settings: one field for each variable ``SHIPKIT_<NAME>_<FIELD>``.

    A field without a default is required. Secrets are `SecretStr`, so that no repr, log or file
    shows them. Two names have a meaning for ``shipkit carriers``: `env` is the environment that
    purchases go to, and of `account` the last four characters are shown. A variable may have a
    second name: that of its field in `ALSO`.

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

    ALSO: ClassVar[Mapping[str, str]] = {}
    """Field -> the second name of its variable, without ``SHIPKIT_<NAME>_``."""

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
            if cls.model_fields[field].is_required()
            and not (env.get(variable) or env.get(cls._second_names(carrier).get(field, "")))
        ]

    @classmethod
    def _second_names(cls, carrier: str) -> dict[str, str]:
        return {field: f"{_prefix(carrier)}{name}" for field, name in cls.ALSO.items()}

    @classmethod
    def _found(cls, carrier: str, environ: Mapping[str, str] | None) -> dict[str, Any]:
        """Return the values that are set, by field. Raises SettingsError if two names differ."""
        env = os.environ if environ is None else environ
        named = cls.variables(carrier)
        for field, second in cls._second_names(carrier).items():
            if env.get(named[field]) and env.get(second) not in (None, "", env[named[field]]):
                raise SettingsError(
                    f"{named[field]} and {second} are one setting and have different values.",
                    fix="Unset one of them.",
                )
            if env.get(second):
                env = {**env, named[field]: env[second]}
        return _values(cls, _prefix(carrier), env)

    @classmethod
    def shown(cls, carrier: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return `env` and `account` for people, of fields with these names; "" where not known."""
        found = cls._found(carrier, environ)
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
            return cls(**cls._found(carrier, environ))
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


def _unusable(prefix: str, error: ValidationError, given: Collection[str] = ()) -> SettingsError:
    """Return the error of values that cannot be used; `given`: fields that a caller passed."""
    faults = [
        (str(e["loc"][0]) if e["loc"] else "*", fault_words(e))
        for e in error.errors(include_input=False)
        if e["type"] != "default_factory_not_called"  # because of another one in this list
    ]
    of_environment = [f"{prefix}{name.upper()}: {why}" for name, why in faults if name not in given]
    of_caller = [f"{name}: {why}" for name, why in faults if name in given]
    if of_environment:
        return SettingsError(
            "The environment has a value that cannot be used. "
            f"{'; '.join(of_environment + of_caller)}.",
            fix="Correct or unset it.",
        )
    return SettingsError(
        f"A setting cannot be used. {'; '.join(of_caller)}.", fix="Correct or leave it out."
    )
