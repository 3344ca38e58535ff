"""The services of several accounts as one list: every code has its account first.

``ups:ground`` is the account ``ups``'s ground; ``easypost:usps:priority`` is what the account
``easypost`` sells of USPS. The stages before a plan read it like the list of any one carrier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from shipkit.services import Limits, ServiceList, ServiceRule, UnknownService

__all__ = ["JointServices"]


@dataclass(frozen=True, eq=False)
class JointServices(ServiceList):
    """What several accounts sell.

    A service is named with its account (``ups:ground``), with the carrier that moves it where one
    account sells it (``fedex:2day``), or by its bare name where exactly one account has a service
    of that name. A name that two accounts have is a question, never a guess. Where a word is both
    an account and a carrier, it is the account.

    Examples
    --------
    >>> from shipkit.services import ServiceEntry
    >>> acme = ServiceList("acme", (ServiceEntry("acme", "express", "Express"),))
    >>> letter = ServiceEntry("post", "letter", "Letter")
    >>> post = ServiceList("post", (ServiceEntry("post", "express", "Express"), letter))
    >>> both = JointServices.of({"acme": acme, "post": post})
    >>> both.parse("letter"), both.parse("express"), both.parse("acme:express")
    ('post:letter', None, 'acme:express')
    >>> str(both.rule("Cheapest of post within 4 days"))
    'cheapest of post within 4 days'
    """

    parts: Mapping[str, ServiceList] = field(default_factory=dict)
    """Name of an account -> its own list."""

    @classmethod
    def of(cls, parts: Mapping[str, ServiceList]) -> JointServices:
        """Return the list of all accounts, by their names in the batch."""
        entries = (
            replace(
                entry,
                carrier=name,
                code=f"{name}:{entry.code}",
                title=f"{part.title or name} {entry.title}",
            )
            for name, part in parts.items()
            for entry in part
        )
        lines = [part.limits.address_line for part in parts.values() if part.limits.address_line]
        return cls(
            ", ".join(parts),
            tuple(entries),
            limits=Limits(address_line=min(lines, default=None)),
            lines_upward=any(part.lines_upward for part in parts.values()),
            goods_to=tuple(dict.fromkeys(at for part in parts.values() for at in part.goods_to)),
            parts=dict(parts),
        )

    def of_shipper(self, country: str) -> JointServices:
        """Return the lists as shippers in `country` know them."""
        parts = {name: part.of_shipper(country) for name, part in self.parts.items()}
        if all(part is self.parts[name] for name, part in parts.items()):
            return self
        known = self._by_country.get(country)
        if not isinstance(known, JointServices):
            known = self._by_country[country] = JointServices.of(parts)
        return known

    @property
    def by_account(self) -> Mapping[str, ServiceList]:
        """Name of an account -> its own list."""
        return self.parts

    @staticmethod
    def parted(code: str) -> tuple[str, str]:
        """Return the account of a code of this list, and the account's own code."""
        name, _, own = code.partition(":")
        return name, own

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Spelling -> code, of the spellings that mean exactly one service of one account."""
        found: dict[str, set[str]] = {}
        for name, part in self.parts.items():
            for text, own in part.spellings.items():
                for start in ("", name, *part.spoken):
                    found.setdefault(self.key(start + text), set()).add(f"{name}:{own}")
            for code in part.codes:
                # A carrier's own name for a service is asked about, as in a list of one account.
                _, colon, tail = code.partition(":")
                if colon:
                    found.setdefault(self.key(tail), set()).add(f"{name}:{code}")
        bare = {text: codes for text, codes in found.items() if len(codes) == 1}
        return MappingProxyType(
            {text: code for text, [code] in bare.items() if self._is_said(text, code)}
        )

    def _is_said(self, text: str, code: str) -> bool:
        """Whether the account itself reads `text` as this service of its own."""
        name, own = self.parted(code)
        part = self.parts[name]
        return own in (part.parse(text), part.parse(text.removeprefix(self.key(name))))

    @cached_property
    def prefix(self) -> str:
        """Nothing is removed from the front of a spelling: the accounts' words are spelled out."""
        return "^$"

    def wire(self, code: str, account: str | None = None) -> str:  # noqa: ARG002 - the base's
        """Return the code itself: what is sent depends on the account that is chosen."""
        return code

    def parse(self, text: str) -> str | None:
        """Return the code of the one service that `text` names, or None."""
        if ":" not in text:
            return self.spellings.get(self.key(text))
        found = list(self._named(text))
        return found[0] if len(found) == 1 else None

    def _named(self, text: str) -> Iterator[str]:
        """Yield every code that `text` names: an account's where it begins with one."""
        head, colon, tail = text.partition(":")
        part = self.parts.get(head.strip().lower()) if colon else None
        if part is not None:
            own = part.parse(tail)
            if own is not None:
                yield f"{head.strip().lower()}:{own}"
            return
        for name, each in self.parts.items():
            own = each.parse(text)
            if own is not None:
                yield f"{name}:{own}"

    def rule(self, text: str) -> ServiceRule | None:
        """Return the rule that `text` is; its choice is shown as short as it was written."""
        found = super().rule(text)
        if found is None or not found.of:
            return found
        said = self._said(text)
        return replace(found, said=said)

    def _said(self, text: str) -> str:
        words = self.choice_in(text).split(",")
        return ", ".join(
            self.parse(word) or " ".join(word.lower().split()) for word in words if word.strip()
        )

    def _choice(self, choice: str, rule: str) -> list[str]:
        """Return the codes that the choice of a rule names; all accounts' where several fit."""
        codes: list[str] = []
        for word in choice.split(","):
            every = self._for_all(self._all_of(word.strip().lower()))
            chosen = every or list(self._named(word.strip()))
            if not chosen:
                raise self.unknown(word, within=rule)
            codes += chosen
        return codes

    def _all_of(self, word: str) -> list[str]:
        """Return the codes of an account, or of a carrier that accounts sell; none for others."""
        head, colon, tail = word.partition(":")
        if colon and head in self.parts:
            return self._moved_by(tail.strip(), {head: self.parts[head]})
        if word in self.parts:
            return [f"{word}:{code}" for code in self.parts[word].codes]
        own = [
            f"{name}:{code}"
            for name, part in self.parts.items()
            if part.is_called(word)
            for code in part.codes
        ]
        return own + self._moved_by(word, self.parts)

    @staticmethod
    def _moved_by(carrier: str, parts: Mapping[str, ServiceList]) -> list[str]:
        return [
            f"{name}:{code}"
            for name, part in parts.items()
            for code in part.codes
            if code.startswith(part.movers_called(carrier))
        ]

    def unknown(self, text: str, within: str | None = None) -> UnknownService:
        """Return the error for a text that names no service, or several."""
        word = text.strip()
        place = f' in "{" ".join(within.split())}"' if within else ""
        several = self._alike(word)
        if several:
            return UnknownService(
                f'"{word}"{place} may be {" or ".join(several)}',
                f"Write it with its account: {several[0]}.",
            )
        head, colon, tail = word.partition(":")
        if colon and tail.strip() and head.strip().lower() in self.parts:
            return UnknownService(
                f'"{word}"{place} is not a service of {head.strip().lower()}', self.known
            )
        if colon and tail.strip():
            return UnknownService(
                f'"{word}"{place} is a service that none of {self.carrier} sells', self.known
            )
        return UnknownService(f'"{word}"{place} is not a known service', self.known)

    def _alike(self, word: str) -> list[str]:
        """Return the services that a text may mean."""
        named = list(self._named(word))
        tail = word.rpartition(":")[2] if ":" not in word else word
        for name, part in self.parts.items():
            named += [f"{name}:{code}" for code in part.named_alike(tail)]
        return list(dict.fromkeys(named))

    @cached_property
    def example(self) -> str:
        """A code for examples in messages."""
        return next(iter(self.codes), "ups:ground")

    @cached_property
    def known(self) -> str:
        """A sentence that lists what may be written."""
        first = next(iter(self.parts), "ups")
        rules = f"cheapest, fastest, cheapest within 3 days, cheapest of {first}, {self.example}"
        return f"Known: {', '.join(self.codes)}; or a rule: {rules}."
