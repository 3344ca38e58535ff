"""The options of ``shipkit mcp``, and the operator's rules that they make."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from shipkit.agent.operator_rules import OperatorRules
from shipkit.carriers import registry
from shipkit.common.number_options import amount, between, option_type
from shipkit.errors import InputError, SettingsError
from shipkit.models import Address, Money

if TYPE_CHECKING:
    from shipkit.agent.access_tokens import AccessTokens

__all__ = ["parser", "rules_of", "tokens_of"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _ServerParser(argparse.ArgumentParser):
    """A parser that raises InputError, so that a usage error exits with 1 like any other."""

    def error(self, message: str) -> NoReturn:
        raise InputError(
            f"{message[:1].upper()}{message[1:]}.", fix="All options: shipkit mcp --help"
        )


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``shipkit mcp``."""
    made = _ServerParser(
        prog="shipkit mcp",
        usage="shipkit mcp [options]",
        description="Serve the agent tools over MCP, on stdio or HTTP.",
        allow_abbrev=False,
    )
    _add_transport(made)
    _add_rules(made)
    return made


def _add_transport(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--http", action="store_true", help="streamable HTTP on this machine instead of stdio"
    )
    p.add_argument("--host", default="127.0.0.1", help="a loopback address (default: 127.0.0.1)")
    p.add_argument(
        "--port",
        type=option_type(between(1, 65_535)),
        default=8765,
        metavar="N",
        help="port for HTTP (default: 8765)",
    )

    p.add_argument(
        "--issuer",
        metavar="URL",
        help="authorization server whose access tokens are needed, for clients elsewhere",
    )
    p.add_argument(
        "--public-url",
        metavar="URL",
        help="the address that clients use, if a proxy is in front; the audience of tokens",
    )


def _add_rules(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--root",
        dest="roots",
        action="append",
        default=[],
        metavar="FOLDER",
        help="folder that load_orders may read; may be repeated",
    )
    p.add_argument(
        "--shipper",
        dest="shippers",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="address that may be used as the shipper; may be repeated",
    )
    p.add_argument(
        "--carrier",
        action="append",
        metavar="NAME",
        help="see: shipkit carriers (default: sandbox); may be repeated, to compare several",
    )
    p.add_argument(
        "--mode",
        default="confirm",
        choices=["confirm", "auto"],
        help="auto buys without asking, up to --max-total (default: confirm)",
    )
    p.add_argument(
        "--max-total",
        type=option_type(amount),
        metavar="AMOUNT",
        help="spend limit for all jobs of this server together",
    )
    p.add_argument(
        "--trust-client-approval",
        action="store_true",
        help="accept `approved: true` from the client as a person's approval",
    )
    p.add_argument(
        "--approve-elsewhere",
        action="store_true",
        help="never ask through the client; accept only `shipkit approve`, the notebook panel and "
        "session.approve()",
    )
    p.add_argument(
        "--text-only",
        action="store_true",
        help="answers without resource links, for hosts that cannot read them",
    )
    p.add_argument("--home", metavar="FOLDER", help="folder of previews and jobs")


def rules_of(
    *,
    roots: Sequence[str | Path] = (),
    shippers: Sequence[str] = (),
    carrier: Any = None,
    mode: str = "confirm",
    max_total: str | None = None,
    trust_client_approval: bool = False,
    approve_elsewhere: bool = False,
    text_only: bool = False,
    home: str | Path | None = None,
    many_clients: bool = False,
) -> OperatorRules:
    """Return the operator's options as rules for a server. Raises InputError, SettingsError."""
    if mode not in {"confirm", "auto"}:
        raise InputError(f"Unknown mode {mode!r}.", fix="Use confirm or auto.")
    if mode == "auto" and max_total is None:
        raise InputError("A server in mode auto needs a spend limit.", fix="Add --max-total 500.")
    if trust_client_approval and approve_elsewhere:
        raise InputError(
            "--trust-client-approval and --approve-elsewhere cannot be combined.",
            fix="Choose one of them.",
        )
    folders = tuple(Path(root).expanduser().resolve() for root in roots)
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise InputError(f"--root {missing[0]} is not a folder.", fix="Use an existing folder.")
    if isinstance(carrier, list) and len(carrier) == 1:
        [carrier] = carrier
    if isinstance(carrier, str):
        registry.plugin(carrier)  # an unknown name must stop the server, not its first call
    elif isinstance(carrier, (list, tuple, Mapping)):
        from shipkit.carriers.accounts import named_accounts

        named_accounts(carrier)  # likewise
    try:
        limit = None if max_total is None else Money.of(amount(str(max_total)))
    except ValueError as error:
        raise InputError(f"--max-total: {error}.", fix="Correct --max-total.") from None
    return OperatorRules(
        wire=True,
        many_clients=many_clients,
        home=None if home is None else Path(home),
        roots=folders,
        shippers=dict(_shipper(text) for text in shippers),
        carrier=carrier,
        mode=mode,
        max_total=limit,
        trust_client_approval=trust_client_approval,
        approve_elsewhere=approve_elsewhere,
        text_only=text_only,
    )


def tokens_of(
    *,
    http: bool,
    host: str,
    port: int,
    issuer: str | None,
    public_url: str | None,
    rules: OperatorRules,
) -> AccessTokens | None:
    """Return what verifies the tokens of clients, None for a server of this machine only.

    Raises
    ------
    InputError
        The options do not fit together, or the authorization server does not describe itself.
    """
    if issuer is None:
        if http and host not in LOOPBACK:
            raise InputError(
                f"The server accepts connections from this machine only, not on {host!r}.",
                fix="Use 127.0.0.1, or --issuer with an authorization server.",
            )
        if public_url is not None:
            raise InputError("--public-url needs --issuer.", fix="Add --issuer, or leave it out.")
        return None
    if not http:
        raise InputError("--issuer is for a server on HTTP.", fix="Add --http.")
    if rules.trust_client_approval:
        raise InputError(
            "--trust-client-approval and --issuer cannot be combined: what a client elsewhere "
            "sends is not the approval of a person here.",
            fix="Leave --trust-client-approval out.",
        )
    from shipkit.agent.access_tokens import AccessTokens, secure_url

    if public_url is None and host not in LOOPBACK:
        raise InputError(
            f"A server on {host} needs the address that its clients use.",
            fix="Add --public-url https://ship.example.com/mcp.",
        )
    resource = public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}/mcp"
    return AccessTokens(issuer, secure_url(resource, "--public-url"))


def _shipper(text: str) -> tuple[str, Address]:
    name, _, file = text.partition("=")
    if not name or not file:
        raise InputError(
            f"--shipper {text!r} is not NAME=FILE.", fix="Write it like --shipper harbor=shop.json."
        )
    path = Path(file).expanduser()
    try:
        content = path.read_text(encoding="utf-8")
        fields = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
        return name, Address(**fields)
    except (OSError, ValueError, TypeError) as error:
        # Only the kind of error: its text may quote the address.
        raise SettingsError(
            f"The shipper file {path} cannot be used: {type(error).__name__}.",
            fix="It must contain the fields of an address, as JSON or TOML.",
        ) from None
