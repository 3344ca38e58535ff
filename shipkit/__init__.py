"""shipkit: orders in, priced previews and labels out, bought exactly once.

>>> import shipkit as sk
>>> session = sk.BatchSession("orders.csv", shipper=shop)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shipkit._version import __version__ as __version__

_HOMES = {
    "Address": "models",
    "Parcel": "models",
    "Shipment": "models",
    "Customs": "models",
    "CustomsItem": "models",
    "Money": "models",
    "ServiceLevel": "carriers.ups.service_level",
    "Rate": "models",
    "Charge": "models",
    "Label": "models",
    "ExecutionMode": "purchasing.approval",
    "SpendLimits": "purchasing.approval",
    "BatchSession": "session",
    "Job": "job",
    "run_job": "engine_task",
    "CarrierAccount": "carriers.accounts",
    "BatchResult": "purchasing.result",
    "Database": "orders.database",
    "jobs": "purchasing.recovery",
    "interrupted_jobs": "purchasing.recovery",
    "check_interrupted_jobs": "purchasing.recovery",
    "shipments": "purchasing.result_frames",
    "SandboxCarrier": "carriers.sandbox",
    "RateCard": "carriers.ratecard",
    "Pricer": "rates.pricer",
    "read_once": "rates.read_once",
    "rate": "rates.whatif",
    "compare": "rates.comparison",
    "UPS": "carriers.ups",
    "EasyPost": "carriers.easypost",
    "USPS": "carriers.usps",
    "ShipkitError": "errors",
    "errors": "",
}
"""Public name -> the module it lives in.

Names are resolved on first use (PEP 562), so that ``import shipkit`` costs 0.02 s instead of the
second that pandas, pyarrow and DuckDB take.
"""

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - the names are the keys above

if TYPE_CHECKING:
    from shipkit import errors as errors
    from shipkit.carriers.accounts import CarrierAccount as CarrierAccount
    from shipkit.carriers.easypost import EasyPost as EasyPost
    from shipkit.carriers.ratecard import RateCard as RateCard
    from shipkit.carriers.sandbox import SandboxCarrier as SandboxCarrier
    from shipkit.carriers.ups import UPS as UPS
    from shipkit.carriers.ups.service_level import ServiceLevel as ServiceLevel
    from shipkit.carriers.usps import USPS as USPS
    from shipkit.engine_task import run_job as run_job
    from shipkit.errors import ShipkitError as ShipkitError
    from shipkit.job import Job as Job
    from shipkit.models import Address as Address
    from shipkit.models import Charge as Charge
    from shipkit.models import Customs as Customs
    from shipkit.models import CustomsItem as CustomsItem
    from shipkit.models import Label as Label
    from shipkit.models import Money as Money
    from shipkit.models import Parcel as Parcel
    from shipkit.models import Rate as Rate
    from shipkit.models import Shipment as Shipment
    from shipkit.orders.database import Database as Database
    from shipkit.purchasing.approval import ExecutionMode as ExecutionMode
    from shipkit.purchasing.approval import SpendLimits as SpendLimits
    from shipkit.purchasing.recovery import check_interrupted_jobs as check_interrupted_jobs
    from shipkit.purchasing.recovery import interrupted_jobs as interrupted_jobs
    from shipkit.purchasing.recovery import jobs as jobs
    from shipkit.purchasing.result import BatchResult as BatchResult
    from shipkit.purchasing.result_frames import shipments as shipments
    from shipkit.rates.comparison import compare as compare
    from shipkit.rates.pricer import Pricer as Pricer
    from shipkit.rates.read_once import read_once as read_once
    from shipkit.rates.whatif import rate as rate
    from shipkit.session import BatchSession as BatchSession


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'shipkit' has no attribute {name!r}") from None
    if not home:
        return import_module(f"shipkit.{name}")
    value = getattr(import_module(f"shipkit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
