"""UPS: quotes, sells, finds, voids and tracks through its REST API.

What is said and read stands in :mod:`~shipkit.carriers.ups.wire` and
:mod:`~shipkit.carriers.ups.responses` (pure), what an answer means in
:mod:`~shipkit.carriers.ups.client`. Here is what is asked, in which order, and for whom.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import orjson
import pyarrow as pa
from pydantic import SecretStr

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.quoting import quote_line, refused_line
from shipkit.carriers.ups import CAPABILITIES, responses, wire
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.codes import ALREADY_VOIDED, Recovery
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.ups_settings import UpsSettings
from shipkit.common.pool import each
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    LabelError,
    SettingsError,
)
from shipkit.models import (
    Address,
    AddressCheck,
    Label,
    LabelFormat,
    LabelSpec,
    Purchase,
    Rate,
    Shipment,
    TransitTime,
)
from shipkit.schema import quotes_table, shipment_from_row
from shipkit.settings import Settings

if TYPE_CHECKING:
    import httpx

__all__ = ["UPS"]

T = TypeVar("T")

_HOSTS = {"test": "https://wwwcie.ups.com", "live": "https://onlinetools.ups.com"}
_PROCESSING_S = 60.0
_ABSENCE_PROOF_S = 600.0
_DAYS_AHEAD = 7


class UPS:
    """A UPS account. Make it with :meth:`from_env`; the test host unless ``SHIPKIT_UPS_ENV=live``.

    Parameters
    ----------
    client_id, client_secret
        Of an app on developer.ups.com.
    account
        The paying account, six characters.
    environment
        ``test`` (labels that no driver takes) or ``live`` (labels that cost money).
    base_url
        Another host: loopback only, or UPS's own for that environment.
    absence_proof_after_s
        Seconds of negative look-ups, by both ways, after which ``resend="proven"`` may send a row
        again.
    quote_cache
        Keeps prices for a while; None asks every time.

    Raises
    ------
    SettingsError
        A value is missing or cannot be, or the host is not UPS's.
    """

    resend = "ask"

    def __init__(
        self,
        client_id: str,
        client_secret: SecretStr,
        account: str,
        *,
        environment: str = "test",
        base_url: str | None = None,
        timeout_s: float = 30.0,
        absence_proof_after_s: float | None = _ABSENCE_PROOF_S,
        quote_cache: QuoteCache | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        number = account.strip().upper()
        if not (len(number) == 6 and number.isascii() and number.isalnum()):
            raise SettingsError(
                "SHIPKIT_UPS_ACCOUNT is not a UPS account: six letters and digits.",
                fix="Take it from a UPS invoice or your ups.com profile.",
            )
        self.identity = CarrierIdentity("ups", environment, number)
        self.services, self.capabilities = SERVICES, CAPABILITIES
        self.pace = Pace(
            concurrency=20, rate_per_s=None, timeout_s=timeout_s, processing_s=_PROCESSING_S
        )
        self.absence_is_proof_after_s = absence_proof_after_s
        self._line = UpsClient(
            _checked_host(base_url, environment),
            client_id=client_id,
            client_secret=client_secret,
            timeout_s=timeout_s,
            transport=transport,
        )
        self._cache = quote_cache
        self._today = today

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> UPS:
        """Return the account that the variables ``SHIPKIT_UPS_...`` describe.

        Raises
        ------
        SettingsError
            Variables are missing (the message names all of them) or have values that cannot be
            used.
        """
        return cls.from_settings(UpsSettings.read("ups", environ), Settings.read(environ))

    @classmethod
    def from_settings(cls, own: UpsSettings, shared: Settings) -> UPS:
        """Return the account that `own` describes."""
        return cls(
            own.client_id,
            own.client_secret,
            own.account,
            environment=own.env,
            base_url=own.base_url,
            timeout_s=shared.timeout_s,
            absence_proof_after_s=own.absence_proof_s or _ABSENCE_PROOF_S,
            quote_cache=QuoteCache(shared.home / "quotes", max_age_s=shared.quote_cache_s),
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a UPS account holds its credentials and cannot be pickled")

    def __repr__(self) -> str:
        """Name environment and the account's last four characters."""
        return f"UPS({self.identity})"

    # -- prices ----------------------------------------------------------------

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the account's price of `shipment`, with transit times when it has a ship date. Free to repeat."""
        shipment = SERVICES.settled(shipment)
        wire.check(shipment, shipper)
        return self._found(await self._line.ask(self._rate_request(shipment, shipper)), shipment)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table; the same question is asked once, and not at all when the cache knows the answer."""
        rows: list[dict[str, Any] | str] = []
        questions: dict[str, tuple[wire.Request, Shipment]] = {}
        for batch in table.to_batches(max_chunksize=1_000):
            for row in batch.to_pylist():
                rows.append(self._question(row, shipper, questions))  # noqa: PERF401 - a batch at a time, so that others may run
            await asyncio.sleep(0)
        known = {
            key: quote_line(rate, "cached")
            for key, rate in (
                self._cache.get(self._keyed(questions)) if self._cache else {}
            ).items()
        }
        fresh: dict[str, Rate] = {}
        try:
            await each(
                lambda key: self._answered(key, questions[key], known, fresh, pacer),
                [key for key in questions if key not in known],
                at_once=self.pace.concurrency,
            )
        finally:
            if self._cache:
                self._cache.put(
                    {question: fresh[key] for key, question in self._keyed(fresh).items()}
                )
        return quotes_table([row if isinstance(row, dict) else known[row] for row in rows])

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price of `shipment` by every service that UPS sells for it, with transit times, cheapest first."""
        request = wire.rate(
            shipment,
            shipper,
            account=self.identity.account,
            shop=True,
            date=shipment.ship_date or self._today(),
        )
        return _read(responses.rates, await self._line.ask(request))

    async def transit_times(self, shipment: Shipment, shipper: Address) -> list[TransitTime]:
        """Return how long each service takes from the ship date (or today), fastest first."""
        request = wire.transit(
            shipment,
            shipper,
            account=self.identity.account,
            date=shipment.ship_date or self._today(),
        )
        try:
            return responses.transits(await self._line.ask(request))
        except ValueError:  # 206 with candidates for a place, recorded as apierrorcode 1070
            raise CarrierRejected(
                "UPS does not know one of the two places for sure.",
                fix="Correct city, state and postal code.",
            ) from None

    def _rate_request(self, shipment: Shipment, shipper: Address) -> wire.Request:
        return wire.rate(shipment, shipper, account=self.identity.account, date=shipment.ship_date)

    def _found(self, body: Any, shipment: Shipment) -> Rate:
        found = [
            rate
            for rate in _read(lambda b: responses.rates(b, only=shipment.service), body)
            if rate.service == shipment.service
        ]
        if not found:
            raise CarrierRejected(
                f"UPS gave no price for {SERVICES.title_of(shipment.service)}.",
                fix="Choose another service: session.shop() lists what UPS sells for this row.",
            )
        rate = found[0]
        if shipment.ship_date and shipment.ship_date > self._today() + dt.timedelta(
            days=_DAYS_AHEAD
        ):
            ahead = (
                f"UPS makes labels at most {_DAYS_AHEAD} days ahead; buy on or after "
                f"{shipment.ship_date - dt.timedelta(days=_DAYS_AHEAD)}"
            )
            return rate.model_copy(update={"warnings": (*rate.warnings, ahead)})
        return rate

    def _question(
        self,
        row: dict[str, Any],
        shipper: Address,
        questions: dict[str, tuple[wire.Request, Shipment]],
    ) -> dict[str, Any] | str:
        """Return the key of the row's question, or the row's quote line when UPS need not be asked to refuse it."""
        try:
            shipment = SERVICES.settled(shipment_from_row(row))
            wire.check(shipment, shipper)
            request = self._rate_request(shipment, shipper)
        except CarrierRejected as error:
            return refused_line(row["service"], error)
        key = orjson.dumps([request.path, request.body], option=orjson.OPT_SORT_KEYS).decode()
        questions.setdefault(key, (request, shipment))
        return key

    def _keyed(self, questions: Iterable[str]) -> dict[str, str]:
        return {
            key: f"{self.identity.name}|{self.identity.environment}|{self.identity.account}|{key}"
            for key in questions
        }

    async def _answered(
        self,
        key: str,
        question: tuple[wire.Request, Shipment],
        known: dict[str, dict[str, Any]],
        fresh: dict[str, Rate],
        pacer: Pacer | None,
    ) -> None:
        request, shipment = question

        async def ask() -> Rate:
            return self._found(await self._line.ask(request), shipment)

        try:
            rate = await (pacer.repeat(ask) if pacer else ask())
        except AuthenticationFailed:
            raise
        except CarrierError as error:
            known[key] = refused_line(shipment.service, error)
            return
        known[key], fresh[key] = quote_line(rate, "quoted"), rate

    # -- labels ----------------------------------------------------------------

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. UPS stores `reference` with the shipment; labels come in the format asked for, converted on this machine where UPS has it not."""
        today = self._today()
        shipment = SERVICES.settled(shipment)
        if shipment.ship_date and shipment.ship_date > today + dt.timedelta(days=_DAYS_AHEAD):
            raise CarrierRejected(
                f"ship_date: {shipment.ship_date} is more than {_DAYS_AHEAD} days ahead, which "
                "UPS does not take.",
                fix="Buy this row nearer to its date.",
                field="ship_date",
            )
        request = wire.ship(
            shipment,
            shipper,
            account=self.identity.account,
            reference=reference,
            label=label,
            today=today,
        )
        # Before this line a repeat is free; after it a repeat may buy a second label.
        body = await self._line.ask(request)
        return await _as_asked(
            _read(lambda b: responses.purchase(b, shipment.service), body), label
        )

    async def find(
        self, reference: str, label: LabelSpec | None = None, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return the shipments under `reference`: by label recovery, then by tracking. Empty only when both say no."""
        label = label or LabelSpec()
        try:
            body = await self._line.ask(
                wire.recover(account=self.identity.account, label=label, reference=reference)
            )
        except CarrierRejected as said:
            return await self._found_otherwise(said, reference, label)
        found = _read(responses.recovered, body)
        if found is None:
            return await self._recovered(responses.candidates(body), label)
        return [await _as_asked(await self._completed(found, label, shipment), label)]

    async def void(self, purchase: Purchase) -> None:
        """Give a shipment back, whole. Repeat-safe: what is voided already is success."""
        if not purchase.shipment_id.startswith("1Z"):
            raise CarrierRejected(
                f"{purchase.shipment_id} is not a UPS shipment number.", fix="Void it on ups.com."
            )
        try:
            body = await self._line.ask(wire.void(purchase.shipment_id))
        except CarrierRejected as said:
            if said.carrier_code == ALREADY_VOIDED:
                return
            raise
        left = _read(responses.voided, body)
        if left:
            raise CarrierRejected(
                f"UPS did not void {purchase.shipment_id}: {left}.",
                fix="Look at the shipment on ups.com.",
            )

    async def _found_otherwise(
        self, said: CarrierRejected, reference: str, label: LabelSpec
    ) -> list[Purchase]:
        """Return what a refused recovery by reference leaves: tracking is the second source; it confirms, and alone it never denies."""
        code = said.carrier_code or ""
        if code not in Recovery.ABSENT | Recovery.SEVERAL | Recovery.NO_LABEL | Recovery.VOIDED:
            raise AnswerLost(
                f"UPS cannot say what became of the shipment: {said.message}",
                fix="It is looked up again.",
                carrier_code=code,
                transaction_id=said.transaction_id,
            ) from None
        numbers = await self._tracked(reference)
        if code in Recovery.VOIDED:
            numbers = numbers or [reference]
            return [
                Purchase(
                    shipment_id=numbers[0],
                    tracking_numbers=tuple(numbers),
                    voided=True,
                    warnings=("UPS says that it was voided.",),
                )
            ]
        if not numbers and code not in Recovery.ABSENT:
            raise AnswerLost(
                f"{said.message} UPS tells no number for it yet.",
                fix="It is looked up again; it is on ups.com too.",
                carrier_code=code,
            ) from None
        if code in Recovery.NO_LABEL:
            return [
                Purchase(
                    shipment_id=numbers[0],
                    tracking_numbers=tuple(numbers),
                    warnings=("UPS no longer gives out its label.",),
                )
            ]
        return await self._recovered(numbers, label)

    async def _tracked(self, reference: str) -> list[str]:
        body = await self._line.ask(wire.track_reference(reference, account=self.identity.account))
        return responses.parcels_of_reference(body, reference)

    async def _recovered(self, numbers: Sequence[str], label: LabelSpec) -> list[Purchase]:
        """Return the shipments of tracking numbers with their labels; parcels of one shipment together."""
        found: dict[str, Purchase] = {}
        for number in numbers:
            if any(number in purchase.tracking_numbers for purchase in found.values()):
                continue
            purchase = await self._by_number(number, label)
            other = found.get(purchase.shipment_id)
            found[purchase.shipment_id] = _joined(other, purchase) if other else purchase
        return [await _as_asked(purchase, label) for purchase in found.values()]

    async def _by_number(self, number: str, label: LabelSpec) -> Purchase:
        try:
            found = _read(
                responses.recovered,
                await self._line.ask(
                    wire.recover(account=self.identity.account, label=label, tracking_number=number)
                ),
            )
        except CarrierRejected as said:
            voided = (said.carrier_code or "") in Recovery.VOIDED
            return Purchase(
                shipment_id=number,
                tracking_numbers=(number,),
                voided=voided,
                warnings=(f"UPS gives no label: {said.message}",),
            )
        return found or Purchase(
            shipment_id=number,
            tracking_numbers=(number,),
            warnings=("UPS gives no label for this number alone.",),
        )

    async def _completed(
        self, found: Purchase, label: LabelSpec, shipment: Shipment | None
    ) -> Purchase:
        """Return `found` with the parcels that the recovery left out: our reference stands on the first one only."""
        if shipment is None or len(found.tracking_numbers) >= len(shipment.parcels):
            return found
        body = await self._line.ask(
            wire.track_shipment(found.tracking_numbers[0], count=len(shipment.parcels))
        )
        for number in responses.parcels_of_shipment(body):
            if number not in found.tracking_numbers:
                found = _joined(found, await self._by_number(number, label))
        missing = len(shipment.parcels) - len(found.tracking_numbers)
        if missing <= 0:
            return found
        return found.model_copy(
            update={
                "warnings": (
                    *found.warnings,
                    (
                        f"UPS told the numbers of {len(found.tracking_numbers)} of "
                        f"{len(shipment.parcels)} parcels"
                    ),
                )
            }
        )

    # -- afterwards --------------------------------------------------------------

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are, a dict each, in order (see :func:`shipkit.carriers.ups.responses.tracking`)."""
        found: dict[str, dict[str, Any]] = {}

        async def one(number: str) -> None:
            async def ask() -> dict[str, Any]:
                return responses.tracking(await self._line.ask(wire.track(number)), number)

            try:
                found[number] = await (pacer.repeat(ask) if pacer else ask())
            except AuthenticationFailed:
                raise
            except CarrierError as error:
                found[number] = {
                    **responses.tracking(None, number),
                    "status": "unknown",
                    "problem": error.message,
                }

        await each(one, list(dict.fromkeys(tracking_numbers)), at_once=self.pace.concurrency)
        return [found[number] for number in tracking_numbers]

    async def validate_address(self, address: Address) -> AddressCheck:
        """Return what UPS thinks of a street address in the US or Puerto Rico, and whether it is a home."""
        request = wire.classify(address)
        if wire.country_of(request) not in {"US", "PR"}:
            return AddressCheck(
                status="unsupported",
                message="UPS validates streets in the US and Puerto Rico only.",
            )
        try:
            return _read(
                lambda body: responses.addresses(body, address), await self._line.ask(request)
            )
        except CarrierRejected as said:
            return AddressCheck(
                status="unsupported" if said.carrier_code == "9264030" else "not_found",
                message=said.message,
            )

    async def aclose(self) -> None:
        """Close connections."""
        await self._line.aclose()


def _checked_host(base_url: str | None, environment: str) -> str:
    """Return where UPS is asked. A host that is neither UPS's for this environment nor this machine is refused: it would get the credentials."""
    if environment not in _HOSTS:
        raise SettingsError(f"SHIPKIT_UPS_ENV is {environment!r}.", fix="Use test or live.")
    if not base_url:
        return _HOSTS[environment]
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    clean = not (
        parts.username or parts.password or parts.query or parts.fragment
    ) and parts.path in {"", "/"}
    if clean and parts.scheme in {"http", "https"} and _loopback(host):
        return base_url
    if not (clean and parts.scheme == "https" and (host == "ups.com" or host.endswith(".ups.com"))):
        raise SettingsError(
            "SHIPKIT_UPS_BASE_URL is neither a UPS host over https nor this machine.",
            fix="Unset it, or use https://wwwcie.ups.com (test) or https://onlinetools.ups.com "
            "(live).",
        )
    if f"https://{host}" in _HOSTS.values() and f"https://{host}" != _HOSTS[environment]:
        raise SettingsError(
            f"SHIPKIT_UPS_BASE_URL is UPS's other host: SHIPKIT_UPS_ENV is {environment}.",
            fix="Unset SHIPKIT_UPS_BASE_URL, or set SHIPKIT_UPS_ENV to match.",
        )
    return base_url


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(reader: Callable[[Any], T], body: Any) -> T:
    """Return what `reader` makes of an answer; one that does not say what it must is a lost answer."""
    try:
        return reader(body)
    except (
        ValueError
    ) as error:  # Unreadable, and pydantic's error, whose text would show the answer
        what = str(error) if isinstance(error, responses.Unreadable) else "a value that cannot be"
        raise AnswerLost(
            f"UPS's answer cannot be used: {what}. It may have acted.",
            fix="The row is looked up by its reference before anything is sent again.",
        ) from None


async def _as_asked(purchase: Purchase, label: LabelSpec) -> Purchase:
    """Return `purchase` with its labels in the format asked for. A label that cannot be converted stays as UPS sent it: it is paid for."""
    if not any(one.kind == "label" and one.format is not label.format for one in purchase.labels):
        return purchase
    labels, warnings = await asyncio.to_thread(_converted, purchase.labels, label.format)
    return purchase.model_copy(
        update={"labels": labels, "warnings": (*purchase.warnings, *warnings)}
    )


def _converted(
    labels: Iterable[Label], wanted: LabelFormat
) -> tuple[tuple[Label, ...], tuple[str, ...]]:
    from shipkit.render.convert import can_convert, convert

    done, warnings = [], []
    for label in labels:
        if (
            label.kind == "label"
            and label.format is not wanted
            and can_convert(label.format, wanted)
        ):
            try:
                label = label.model_copy(  # noqa: PLW2901
                    update={"data": convert(label.data, label.format, wanted), "format": wanted}
                )
            except LabelError as error:
                warnings.append(
                    f"label of {label.tracking_number} stays {label.format.value.upper()}: "
                    f"{error.message}"
                )
        done.append(label)
    return tuple(done), tuple(warnings)


def _joined(one: Purchase, other: Purchase) -> Purchase:
    """Return two parts of one shipment as one."""
    numbers = tuple(dict.fromkeys([*one.tracking_numbers, *other.tracking_numbers]))
    kept = {label.tracking_number for label in one.labels}
    return one.model_copy(
        update={
            "tracking_numbers": numbers,
            "labels": (
                *one.labels,
                *[label for label in other.labels if label.tracking_number not in kept],
            ),
            "warnings": tuple(dict.fromkeys([*one.warnings, *other.warnings])),
        }
    )
