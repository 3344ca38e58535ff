"""Where a database is. The password is kept apart, and taken out of whatever a driver says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from shipkit.errors import SourceError

__all__ = ["Location"]

_KINDS = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
_SECRET_OPTIONS = re.compile(r"(?i)password|passwd|secret|sslkey")


@dataclass(frozen=True)
class Location:
    """The parts of a database's url."""

    kind: str
    scheme: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: SecretStr | None = field(default=None, repr=False)
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str, password: str | None = None) -> Location:
        """Return the parts of `url`. Raises SourceError, without saying the url."""
        scheme = url.split("://", 1)[0].split("+", 1)[0].lower() if "://" in url else ""
        if scheme not in _KINDS:
            raise SourceError(
                f"{scheme or 'This'} is no database address that is known.",
                fix="Write postgresql://, mysql://, mariadb:// or sqlite:/// in front.",
            )
        if scheme == "sqlite":
            path = url.split("://", 1)[1].removeprefix("/")
            return cls("sqlite", scheme, name=unquote(path.split("?", 1)[0]))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SourceError(
                "The address of the database cannot be read.",
                fix="Write scheme://user:password@host:port/name; marks such as @ and / in a "
                "password as %40 and %2F.",
            ) from None
        options = dict(parse_qsl(parts.query))
        given = (
            password
            or (unquote(parts.password) if parts.password else None)
            or next(
                (value for name, value in options.items() if _SECRET_OPTIONS.search(name)), None
            )
        )
        return cls(
            _KINDS[scheme],
            scheme,
            parts.hostname or options.get("host"),
            port,
            unquote(parts.username) if parts.username else None,
            SecretStr(given) if given else None,
            unquote(parts.path.lstrip("/")),
            {name: value for name, value in options.items() if not _SECRET_OPTIONS.search(name)},
        )

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:///{self.name}"
        user = f"{self.user}{':***' if self.password else ''}@" if self.user else ""
        return f"{self.scheme}://{user}{self.host or ''}{f':{self.port}' if self.port else ''}/{self.name}"

    @property
    def uri(self) -> str:
        """The whole address, password included: for the driver only."""
        secret = f":{quote(self.password.get_secret_value(), safe='')}" if self.password else ""
        user = f"{quote(self.user, safe='')}{secret}@" if self.user else ""
        options = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in self.options.items()
        )
        return f"{self.kind}://{user}{self.host or ''}{f':{self.port}' if self.port else ''}/{quote(self.name, safe='')}{f'?{options}' if options else ''}"

    def clean(self, text: str) -> str:
        """Return what a driver said, on one line, without the password."""
        said = " ".join(text.split())
        if self.password:
            plain = self.password.get_secret_value()
            for form in {plain, quote(plain, safe=""), quote(plain)}:
                said = said.replace(form, "***")
        return said[:400]
