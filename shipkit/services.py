"""Services: what a carrier offers, what people call it, and the rules that choose one.

A service is text: ``ground`` within the carrier of a batch, ``ups:ground`` where the carrier has to
be named too. What a carrier offers is data, a ``services.toml`` in the carrier's folder, read into
a :class:`ServiceList`. Everything that reads a service from a person reads it here: columns of
files, ``map``, ``edit``, ``sk.rate``, the command line and the agent tools.

The stages before a plan may not import carriers; the list of the session's carrier is handed to
them as a value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from shipkit.errors import CarrierRejected
from shipkit.models import Shipment

__all__ = [
    "PLACES",
    "Limits",
    "LocalNames",
    "ServiceEntry",
    "ServiceList",
    "ServiceRule",
    "UnknownService",
    "contents_by_name",
    "mover_of",
]

_AIM: Final = r"(?P<aim>cheapest|fastest)"
_DAYS: Final = r" within (?P<days>[0-9]{1,3}) (?:business )?days?"
_RULES: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_AIM}(?:{_DAYS})?",
        rf"{_AIM} of (?P<of>.+?){_DAYS}",
        rf"{_AIM}{_DAYS} of (?P<of>.+)",
        rf"{_AIM} of (?P<of>.+)",
    )
)
"""The forms of a rule; the first that fits decides."""

_CODE: Final = re.compile(r"(?:[a-z][a-z0-9_]*:)?[a-z0-9][a-z0-9_]*")
"""With a colon where the account sells services of several carriers: ``usps:priority``."""

_CARRIER: Final = re.compile(r"[a-z][a-z0-9_]*")


_NAMED_CONTENTS: Final = tuple(
    (re.compile(form), contents)
    for form, contents in (
        (r"(?<![a-z])media|mediamail|library|(?<![a-z])books?(?![a-z])", "books and other media"),
        (r"bpm|bound_?print|print(?:ed|er)_?(?:matter|paper)|print_?direct", "printed matter"),
        (r"publication|marketing|(?<![a-z])promo", "printed matter, promotional mail and samples"),
        (r"(?<!non)(?<!non_)(?:document|(?<![a-z])docs?(?![a-z]))", "documents"),
        (r"hazmat|hazardous|dangerous", "hazardous materials"),
        (r"(?<![a-z])vape(?![a-z])", "vapes"),
    )
)
"""Words in the code of a service that no list has -> what alone may be sent with it.

Found among the 999 service levels that EasyPost's metadata names; "intermediate" and "non_doc" are
none of them. A service that is left out by mistake costs less than goods sent by Media Mail, which
the post opens, and returns or charges again.
"""


PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "po_box": "PO boxes",
        "military": "military and diplomatic post offices (APO, FPO, DPO)",
        "outlying": "US territories other than Puerto Rico as a domestic service",
    }
)
"""Kind of place that a service may not go to -> what messages call it."""


class UnknownService(ValueError):
    """A text that names no service of the carrier and is not a rule.

    Attributes
    ----------
    problem
        What is wrong, without a full stop: ``"Second Class" is not a known service``.
    fix
        What to write instead: the known services and the forms of a rule.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True)
class Limits:
    """What a carrier, or one of its services, accepts. None means that no limit is known.

    Weights are pounds and sides inches, each for one parcel; lengths of texts are characters.
    """

    weight_lb: float | None = None
    longest_side_in: float | None = None
    length_and_girth_in: float | None = None
    """Longest side plus twice the sum of the other two."""
    parcels: int | None = None
    """Parcels in one shipment."""
    name: int | None = None
    """Name and company, each."""
    address_line: int | None = None
    city: int | None = None
    reference: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Limits:
        """Return the limits that a TOML table names. Raises ValueError for an unknown name."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"unknown limit {unknown[0]!r}; known: {', '.join(sorted(known))}")
        for name, value in data.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
                raise ValueError(f"the limit {name} must be a number greater than 0, not {value!r}")
        return cls(**data)

    def given(self) -> dict[str, float]:
        """Return the limits that are known, by name."""
        values = {each.name: self.__dict__[each.name] for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


Reach = Literal["domestic", "abroad", "anywhere"]


@dataclass(frozen=True)
class ServiceEntry:
    """One service of a carrier: a ``[[service]]`` of its ``services.toml``."""

    carrier: str
    code: str
    """The name in plans, previews and results: lower case, digits and underscores.

    Where an account sells the services of several carriers, the carrier that moves the parcel comes
    first: ``usps:ground_advantage``."""
    title: str
    """The name for people: "2nd Day Air"."""
    aliases: tuple[str, ...] = ()
    """Other names that files use. Case, spaces and punctuation do not matter."""
    wire: Mapping[str, str] = field(default_factory=dict)
    """Kind of account -> the code that is sent. The carrier's own is under its name."""
    reach: Reach = "anywhere"
    """``domestic``: within a country; ``abroad``: out of it. Rows that it does not fit are held."""
    reach_from: frozenset[str] = frozenset()
    """Countries that parcels leave from for which `reach` holds; empty: all of them."""
    limits: Limits = field(default_factory=Limits)
    """Limits that hold for this service in addition to those of the carrier."""
    not_to: frozenset[str] = frozenset()
    """Kinds of places (:data:`PLACES`) that it does not deliver to."""
    contents: str = ""
    """What may be sent, where that is not everything: a rule chooses it only where it names it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Everything else in the TOML: only the carrier's own code reads it."""

    @property
    def qualified(self) -> str:
        """The service with its carrier: ``ups:ground``."""
        return f"{self.carrier}:{self.code}"


@dataclass(frozen=True)
class LocalNames:
    """What shippers of some countries call services, and the services that only they have."""

    shippers: frozenset[str]
    """Countries of shippers."""
    elsewhere: bool = False
    """Whether it holds for all countries but `shippers`."""
    services: frozenset[str] = frozenset()
    """Codes of services that are offered there only."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Name -> code; there it goes before the names that services have everywhere."""

    def hold_in(self, country: str) -> bool:
        """Return whether shippers of `country` use these names."""
        return (country in self.shippers) is not self.elsewhere


@dataclass(frozen=True)
class ServiceRule:
    """A rule that chooses a service for each shipment, once prices are known."""

    aim: str
    """``cheapest`` or ``fastest``."""
    within_days: int | None = None
    of: tuple[str, ...] = ()
    """The services to choose from; empty: every service of the carrier."""
    said: str = ""
    """The choice as it was written, where that is shorter than the services it names."""
    never: tuple[str, ...] = ()
    """Services that it does not choose: those for some contents only, which it does not name."""
    listed: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """The services of the carrier's list. An account may sell others, which no rule can name."""

    def __str__(self) -> str:
        choice = f" of {self.said or ', '.join(self.of)}" if self.of else ""
        if self.within_days is None:
            return f"{self.aim}{choice}"
        return f"{self.aim}{choice} within {self.within_days} day{'s' * (self.within_days != 1)}"

    def may_choose(self, service: str) -> bool:
        """Return whether it may choose `service`, at the right price and in time.

        ``ups:*`` is one of UPS of which no more is known.
        """
        if service.endswith(":*"):
            return not self.of or any(each.startswith(service[:-1]) for each in self.of)
        return (not self.of or service in self.of) and not self.passes_over(service)

    def passes_over(self, service: str) -> bool:
        """Return whether it does not choose `service` for what alone may be sent with it."""
        unlisted = service not in self.listed and service not in self.of
        return service in self.never or (unlisted and bool(contents_by_name(service)))


def contents_by_name(code: str) -> str:
    """Return what may be sent with a service that no list has, where its code says so.

    Examples
    --------
    >>> contents_by_name("usps:bound_printed_matter"), contents_by_name("ups:ground")
    ('printed matter', '')
    """
    name = code.rpartition(":")[2]
    return next((contents for form, contents in _NAMED_CONTENTS if form.search(name)), "")


def mover_of(service: str | None, seller: str) -> str:
    """Return the carrier that moves the parcel: of accounts that sell several, the service's own.

    Parameters
    ----------
    seller
        The carrier whose account sells the service.

    Examples
    --------
    >>> mover_of("usps:priority", "easypost"), mover_of("ground", "ups")
    ('usps', 'ups')
    """
    carrier, colon, _ = (service or "").partition(":")
    return carrier if colon else seller


def _words(code: str) -> str:
    """Return the title that a code has by itself: ``"parcel_select"`` is "Parcel Select"."""
    return " ".join(word.capitalize() for word in code.split("_"))


def _names(entry: ServiceEntry) -> Iterator[str]:
    """Yield every text that means a service."""
    sent = [*entry.wire.values()]
    yield from (entry.code, entry.title, *sent, *entry.aliases)
    yield from (str(int(code)) for code in sent if code.isdecimal())  # a spreadsheet's "03"


@dataclass(frozen=True, eq=False)
class ServiceList:
    """Every service of one carrier, and the one place that reads a service from text.

    Parameters
    ----------
    carrier
        The carrier's name in the registry.
    spoken
        Words that people write before a service of this carrier: ``("ups",)`` for "UPS Ground" and
        ``ups:ground``. The carrier's own name is always accepted before a colon.
    limits
        What the carrier accepts, whatever the service.

    Examples
    --------
    >>> entries = (ServiceEntry("acme", "express", "Express", aliases=("Next Day",)),)
    >>> services = ServiceList("acme", entries)
    >>> services.parse("next-day"), services.parse("acme:express"), services.parse("overnight")
    ('express', 'express', None)
    >>> services.read("Fastest of EXPRESS")
    'fastest of express'
    """

    carrier: str
    entries: tuple[ServiceEntry, ...]
    title: str = ""
    spoken: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    lines_upward: bool = False
    """Whether labels print the lines of a street from the last to the first."""
    goods_to: tuple[str, ...] = ()
    """Parts of the US where the carrier wants to know the goods and their value: ``("PR",)``."""
    local: tuple[LocalNames, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of the shipper's country: they go before those of the services."""

    @classmethod
    def from_toml(cls, path: Path) -> ServiceList:
        """Return the list that a ``services.toml`` declares.

        ``like = "../other/services.toml"`` starts from the services and limits of another file.

        Raises
        ------
        ValueError
            The file cannot be read as a list; the message says what is wrong.
        """
        return _from_toml(path, None)

    def __iter__(self) -> Iterator[ServiceEntry]:
        return iter(self.entries)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The codes of all services, in the order of the file."""
        return tuple(entry.code for entry in self.entries)

    def of_shipper(self, country: str) -> ServiceList:
        """Return the list as shippers in `country` know it, by the names that are used there."""
        if not self.local:
            return self
        if country not in self._by_country:
            self._by_country[country] = self._local(country)
        return self._by_country[country]

    def _local(self, country: str) -> ServiceList:
        here = [names for names in self.local if names.hold_in(country)]
        offered = frozenset().union(*(names.services for names in here))
        own = [entry for entry in self.entries if entry.code in offered]
        everywhere = [entry for entry in self.entries if entry.code not in self.local_codes]
        return replace(
            self,
            entries=(*own, *everywhere),
            local=(),
            aliases={text: entry.code for entry in own for text in _names(entry)}
            | {text: code for names in here for text, code in names.aliases.items()},
        )

    @cached_property
    def _by_country(self) -> dict[str, ServiceList]:
        return {}

    @cached_property
    def local_codes(self) -> frozenset[str]:
        """Services that only some shippers have; without a shipper their names mean nothing."""
        return frozenset().union(*(names.services for names in self.local))

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Spelling, as :meth:`key` reduces it -> code. One table for Python and SQL."""
        local = {self.key(text): code for text, code in self.aliases.items()}
        found: dict[str, str] = {}
        for entry in self.entries:
            if entry.code in self.local_codes:
                continue
            for text in _names(entry):
                key = self.key(text)
                if key in local or not key:
                    continue
                if found.setdefault(key, entry.code) != entry.code:
                    raise ValueError(
                        f"{self.carrier}: {text!r} names both {found[key]} and {entry.code}"
                    )
        return MappingProxyType(found | local)

    @property
    def by_account(self) -> Mapping[str, ServiceList]:
        """Name of an account -> its list, where the list is of several accounts; else itself."""
        return {"": self}

    @cached_property
    def prefix(self) -> str:
        """A regular expression for what :meth:`key` removes from the front of a spelling."""
        return f"^(?:{'|'.join(map(re.escape, self.spoken))})" if self.spoken else "^$"

    def key(self, text: str) -> str:
        """Return what spellings of one service have in common: lower case letters and digits."""
        bare = re.sub(r"[^a-z0-9]", "", text.lower())
        return re.sub(self.prefix, "", bare, count=1)

    def entry(self, code: str) -> ServiceEntry:
        """Return the service with exactly this code. Raises KeyError."""
        return self._by_code[code]

    def title_of(self, code: str) -> str:
        """Return the name for people of a service; a code that is not listed stays as it is."""
        entry = self._by_code.get(code)
        return entry.title if entry else code

    def wire(self, code: str, account: str | None = None) -> str:
        """Return what an account of this kind (default: the carrier's own) calls a service."""
        return self._by_code[code].wire[account or self.carrier]

    def from_wire(self, wire: str, account: str | None = None) -> str | None:
        """Return the service that an account calls `wire`, or None."""
        kind = account or self.carrier
        return next((e.code for e in self.entries if e.wire.get(kind) == wire), None)

    def parse(self, text: str) -> str | None:
        """Return the code of the service that `text` names, or None.

        An unknown service is never guessed, and a service of another carrier is unknown here.
        """
        head, colon, tail = text.partition(":")
        in_words = " " in head.strip()  # "Express 12:00" names no carrier
        if not colon or in_words:
            return self.spellings.get(self.key(text))
        if self.movers_called(head):
            return self.spellings.get(self.key(text)) or self._of_mover(head, tail)
        if not self.is_called(head):
            return None
        return self.parse(tail) if ":" in tail else self.spellings.get(self.key(tail))

    def _of_mover(self, mover: str, text: str) -> str | None:
        """Return the service that `text` names by itself, where this carrier moves it."""
        code = self.spellings.get(self.key(text))
        return code if code and code.startswith(self.movers_called(mover)) else None

    def rule(self, text: str) -> ServiceRule | None:
        """Return the rule that `text` is, or None when it does not have the form of one.

        Raises
        ------
        UnknownService
            The rule names a service or a carrier that this list does not have.
        """
        found = _rule_in(text)
        if found is None:
            return None
        choice = found.get("of")
        of = [] if choice is None else self._choice(choice, text)
        never = tuple(code for code in self.for_some_contents if code not in of)
        if _WHOLE in of:  # every service, and those for some contents that are named next to it
            named = [code for code in of if code in self.for_some_contents]
            of = [*self._for_all(self.codes), *named] if named else []
        codes = tuple(dict.fromkeys(of))
        days = found.get("days")
        within = int(days) if days else None
        listed = frozenset(self.codes)
        return ServiceRule(found["aim"].lower(), within, codes, never=never, listed=listed)

    def contents_of(self, code: str) -> str:
        """Return what may be sent with a service, empty for everything; it need not be listed."""
        entry = self._by_code.get(code)
        return contents_by_name(code) if entry is None else entry.contents

    @cached_property
    def for_some_contents(self) -> tuple[str, ...]:
        """The services that not everything may be sent with."""
        return tuple(entry.code for entry in self.entries if entry.contents)

    def _for_all(self, codes: Iterable[str]) -> list[str]:
        """Return those of `codes` that everything may be sent with."""
        return [code for code in codes if code not in self.for_some_contents]

    @staticmethod
    def choice_in(text: str) -> str:
        """Return the part of a rule that names what to choose from, empty where it has none."""
        return (_rule_in(text) or {}).get("of") or ""

    def read(self, text: str) -> str:
        """Return `text` as a plan holds it: the code of a service, or a rule in its usual form.

        Raises
        ------
        UnknownService
            `text` is neither; the error says why, and what is known.
        """
        code = self.parse(text)
        if code is not None:
            return code
        rule = self.rule(text)
        if rule is None:
            raise self.unknown(text)
        return str(rule)

    def known_among(self, texts: Iterable[str]) -> dict[str, str]:
        """Return text -> :meth:`read` for those of `texts` that name a service or are a rule."""
        found = {}
        for text in texts:
            with suppress(UnknownService):
                found[text] = self.read(text)
        return found

    def unknown(self, text: str, within: str | None = None) -> UnknownService:
        """Return the error for a text that names no service here: one wording for every caller."""
        word = text.strip()
        place = f' in "{" ".join(within.split())}"' if within else ""
        head, colon, tail = word.partition(":")
        head = head.strip().lower()
        known = self.is_called(head) or bool(self.movers_called(head))
        if colon and tail.strip() and _CARRIER.fullmatch(head) and not known:
            return UnknownService(
                f'"{word}"{place} is a service of {head}, and this batch ships with {self.carrier}',
                self.known,
            )
        if several := self.named_alike(tail or word):
            return UnknownService(
                f'"{word}"{place} may be {" or ".join(several)}',
                f"Write it with its carrier: {several[0]}.",
            )
        return UnknownService(f'"{word}"{place} is not a known service', self.known)

    def named_alike(self, text: str) -> list[str]:
        """Return the services of an account's carriers that a bare name may mean.

        A name that only one carrier has is listed too: shops write "Standard" and "Express" for
        services of their own, so it is asked and not taken.
        """
        key = self.key(text)
        parted = [(code, code.partition(":")[2]) for code in self.codes if ":" in code]
        return [code for code, tail in parted if key and self.key(tail) == key]

    @cached_property
    def example(self) -> str:
        """A code for examples in messages: ``ground`` where it is offered."""
        return "ground" if "ground" in self._by_code else next(iter(self.codes), "ground")

    @cached_property
    def known(self) -> str:
        """A sentence that lists what may be written."""
        some = ", ".join(self.codes[:2])
        rules = f"cheapest, fastest, cheapest within 3 days, cheapest of {some}"
        return f"Known: {', '.join(self.codes)}; or a rule: {rules}."

    def settled(self, shipment: Shipment) -> Shipment:
        """Return `shipment` with the bare code of its service, however that is written.

        Raises
        ------
        CarrierRejected
            The carrier has no such service.
        """
        if shipment.service in self._by_code:
            return shipment
        code = self.parse(shipment.service)
        if code is None:
            no = self.unknown(shipment.service)
            raise CarrierRejected(f"service: {no.problem}.", fix=no.fix, field="service")
        return shipment.model_copy(update={"service": code})

    def is_called(self, word: str) -> bool:
        """Return whether `word` is the carrier's name, or what people call it."""
        return word.strip().lower() in {self.carrier, *self.spoken}

    def movers_called(self, word: str) -> tuple[str, ...]:
        """Return the starts of the codes of a carrier; ``dhl`` is also DHL Express.

        Empty for a word that is no carrier which moves parcels of this account.
        """
        name = word.strip().lower()
        if name in self._movers:
            return (f"{name}:",)
        longer = sorted(each for each in self._movers if len(name) > 2 and each.startswith(name))
        return tuple(f"{each}:" for each in longer)

    @cached_property
    def _movers(self) -> frozenset[str]:
        return frozenset(code.partition(":")[0] for code in self.codes if ":" in code)

    def _choice(self, choice: str, rule: str) -> list[str]:
        """Return the codes that the choice of a rule names; a carrier stands for all it moves."""
        codes = []
        for part in choice.split(","):
            if starts := self.movers_called(part):
                codes += self._for_all(code for code in self.codes if code.startswith(starts))
            else:
                codes.append(self._chosen(part, rule))
        return codes

    def _chosen(self, part: str, rule: str) -> str:
        """Return the code that one word of a rule's choice names."""
        if self.is_called(part):
            return _WHOLE
        code = self.parse(part)
        if code is None:
            raise self.unknown(part, within=rule)
        return code

    @cached_property
    def _by_code(self) -> dict[str, ServiceEntry]:
        return {entry.code: entry for entry in self.entries}


_WHOLE: Final = ""
"""Stands for every service of the carrier in the choice of a rule: ``cheapest of ups``."""


def _rule_in(text: str) -> dict[str, str] | None:
    """Return the parts of a rule, or None when `text` does not have the form of one."""
    spaced = " ".join(text.split())
    found = next((found for form in _RULES if (found := form.fullmatch(spaced))), None)
    return None if found is None else found.groupdict()


# -- the file --------------------------------------------------------------------------------------


def _from_toml(path: Path, carrier: str | None) -> ServiceList:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    name = carrier or data.get("carrier")
    if not isinstance(name, str) or not _CARRIER.fullmatch(name):
        raise ValueError(
            f"{path}: carrier must be lower case letters, digits and underscores, not {name!r}"
        )
    base = ServiceList(name, ())
    if "like" in data:
        base = _from_toml(path.parent / data["like"], name)
    try:
        not_to = _kinds(data.get("not_to", ()))
        reach_from = frozenset(map(str, data.get("reach_from", ())))
        made = ServiceList(
            name,
            (
                *base.entries,
                *(
                    replace(_entry(name, each, not_to), reach_from=reach_from)
                    for each in data.get("service", ())
                ),
            ),
            title=str(data.get("title") or _words(name)),
            spoken=tuple(str(word).lower() for word in data.get("spoken", base.spoken)),
            limits=Limits.of({**base.limits.given(), **data.get("limits", {})}),
            lines_upward=data.get("lines_upward", False) is True,
            goods_to=tuple(data.get("goods_to", base.goods_to)),
            local=(*base.local, *map(_local_names, data.get("local", ()))),
        )
        if len(set(made.codes)) < len(made.entries):
            raise ValueError("two services have the same code")
        made.spellings  # noqa: B018 - raises when two services share a spelling
        for names in made.local:
            if unknown := sorted({*names.services, *names.aliases.values()} - set(made.codes)):
                raise ValueError(f"local names of an unknown service {unknown[0]!r}")
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]} is missing") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return made


def _local_names(data: Mapping[str, Any]) -> LocalNames:
    """Return a table ``[[local]]``: names in some countries, or in all others."""
    elsewhere = "shippers_not_in" in data
    return LocalNames(
        frozenset(map(str, data["shippers_not_in" if elsewhere else "shippers_in"])),
        elsewhere,
        frozenset(map(str, data.get("services", ()))),
        {str(text): str(code) for text, code in data.get("aliases", {}).items()},
    )


def _kinds(given: Iterable[Any]) -> frozenset[str]:
    """Return kinds of places. Raises ValueError for one that is not known."""
    kinds = frozenset(map(str, given))
    if unknown := sorted(kinds - set(PLACES)):
        raise ValueError(f"unknown kind of place {unknown[0]!r}; known: {', '.join(PLACES)}")
    return kinds


def _entry(carrier: str, data: Mapping[str, Any], not_to: frozenset[str]) -> ServiceEntry:
    rest = dict(data)
    code = rest.pop("code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise ValueError(
            f"a code has lower case letters, digits and underscores (ground_saver), not {code!r}"
        )
    reach = rest.pop("reach", "anywhere")
    if reach not in {"domestic", "abroad", "anywhere"}:
        raise ValueError(f"{code}: reach must be domestic, abroad or anywhere, not {reach!r}")
    wire = rest.pop("wire", {})
    refused = _kinds(rest.pop("not_to", ())) | (not_to - _kinds(rest.pop("also_to", ())))
    return ServiceEntry(
        carrier=carrier,
        code=code,
        title=str(rest.pop("title", "") or _words(code)),
        aliases=tuple(map(str, rest.pop("aliases", ()))),
        wire={carrier: wire} if isinstance(wire, str) else dict(wire),
        reach=reach,
        limits=Limits.of(rest.pop("limits", {})),
        not_to=refused,
        contents=str(rest.pop("contents", "")),
        facts=rest,
    )
