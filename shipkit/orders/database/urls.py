"""The address of a database. The password is kept apart, and removed from messages of drivers."""

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
    """The parts of the URL of a database."""

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
        """Return the parts of `url`. Raises SourceError, whose message does not contain it."""
        scheme = url.split("://", 1)[0].split("+", 1)[0].lower() if "://" in url else ""
        if scheme not in _KINDS:
            raise SourceError(
                f"{scheme or 'This'} is not a known kind of database address.",
                fix="Begin it with postgresql://, mysql://, mariadb:// or sqlite:///.",
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
                fix="Write scheme://user:password@host:port/name, and characters such as @ and / "
                "in a password as %40 and %2F.",
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
        return f"{self.scheme}://{user}{self._host_and_port}/{self.name}"

    @property
    def _host_and_port(self) -> str:
        return f"{self.host or ''}{f':{self.port}' if self.port else ''}"

    @property
    def uri(self) -> str:
        """The whole address, for the driver only: it contains the password."""
        secret = f":{quote(self.password.get_secret_value(), safe='')}" if self.password else ""
        user = f"{quote(self.user, safe='')}{secret}@" if self.user else ""
        options = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in self.options.items()
        )
        name = quote(self.name, safe="")
        return f"{self.kind}://{user}{self._host_and_port}/{name}{f'?{options}' if options else ''}"

    def clean(self, text: str) -> str:
        """Return a message of a driver on one line, without the password."""
        message = " ".join(text.split())
        if self.password:
            plain = self.password.get_secret_value()
            for form in {plain, quote(plain, safe=""), quote(plain)}:
                message = message.replace(form, "***")
        return message[:400]
