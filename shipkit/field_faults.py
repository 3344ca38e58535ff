"""Which fields a model refused, in plain words.

pydantic's own text names its types, its site and the values, which may be an address. Here a fault
is the field, what is wrong with it, and for a field that does not exist the nearest that does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

__all__ = ["ADDRESS_NAMES", "fault_words", "faults_of", "unknown_field"]

ADDRESS_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("address", "address1", "line1", "street", "street1"), "address_line1"),
    **dict.fromkeys(("address2", "line2", "street2", "apartment", "suite"), "address_line2"),
    **dict.fromkeys(("address3", "line3", "street3"), "address_line3"),
    **dict.fromkeys(("zip", "zipcode", "postcode", "postal", "plz"), "postal_code"),
    **dict.fromkeys(("province", "region", "statecode"), "state"),
    **dict.fromkeys(("countrycode", "countryname"), "country"),
    **dict.fromkeys(("fullname", "contact", "contactname", "person"), "name"),
    **dict.fromkeys(("companyname", "organization", "business"), "company"),
    **dict.fromkeys(("telephone", "tel", "phonenumber", "mobile"), "phone"),
    **dict.fromkeys(("mail", "emailaddress"), "email"),
    **dict.fromkeys(("town", "locality"), "city"),
}
"""What people call a field of an address, in letters and digits only -> the field."""

_FORMS: Final = {r"^[A-Z]{2}$": "two capital letters, such as US", r"^[A-Z]{3}$": "USD, EUR, ..."}
_WORDS: Final = (
    (r"^Value error, ", ""),
    (r"^Assertion failed, ", ""),
    (r"^Input should be a valid string$", "must be text, in quotes"),
    (r"^Input should be a valid ([aeiou]\w+)(, .*)?$", r"must be an \1"),
    (r"^Input should be a valid (\w+)(, .*)?$", r"must be a \1"),
    (r"^Input should be (.*)$", r"must be \1"),
    (r"^(String|Value|List|Tuple|Decimal input|Dictionary) should (.*)$", r"must \2"),
    (r"^Field required$", "is missing"),
)


def unknown_field(
    what: str, name: str, known: Iterable[str], names: Mapping[str, str] | None = None
) -> str:
    """Return that `what` has no field `name`, with the nearest that it has.

    Examples
    --------
    >>> unknown_field("An address", "zip", ["city", "postal_code"], ADDRESS_NAMES)
    "An address has no field 'zip': did you mean postal_code?"
    """
    known = list(known)
    meant = (names or {}).get(re.sub(r"[^a-z0-9]", "", name.lower()))
    near = [meant] if meant else difflib.get_close_matches(name.lower(), known, 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else f"its fields are {', '.join(known)}."
    return f"{what} has no field {name!r}: {hint}"


def faults_of(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Return what pydantic found, fault by fault, without the values.

    Parameters
    ----------
    known
        The fields that there are, for faults about others.
    """
    known = list(known)
    return "; ".join(_fault(each, known) for each in error.errors(include_input=False))


def fault_words(fault: Any) -> str:
    """Return what is wrong by one fault of pydantic, without its field."""
    if fault["type"] == "string_pattern_mismatch":
        form = fault.get("ctx", {}).get("pattern", "")
        return f"must be {_FORMS.get(form, f'of the form {form}')}"
    text = str(fault["msg"])
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text


def _fault(fault: Any, known: list[str]) -> str:
    field = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, known, 1, 0.6)
        hint = f": did you mean {near[0]}?" if near else ""
        return f"there is no field {field!r}{hint}"
    text = fault_words(fault)
    return (
        f"{field} {text}"
        if field and text.startswith(("must ", "is "))
        else (f"{field}: {text}" if field else text)
    )
