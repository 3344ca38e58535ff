"""UPS's codes in plain words: what happened, what to do, and whether a shipment can exist.

The words are ours. Where a code comes from: R seen in a recorded answer, I a thread of
UPS-API/api-documentation, S UPS's OpenAPI files, G known from UPS's older guide (the code alone).
Codes that are not here are shown with UPS's own words and no fix; nothing is guessed from a code's
neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "ACCOUNT_REFUSED",
    "ALREADY_VOIDED",
    "CANNOT_CLASSIFY",
    "CODES",
    "EXPORT_REASONS",
    "IN_DOUBT",
    "NOISE",
    "SURCHARGES",
    "Meaning",
    "Recovery",
    "explain",
]


@dataclass(frozen=True)
class Meaning:
    """What one code of UPS means to the person who has to act on it."""

    plain: str
    fix: str | None = None


def explain(code: str | None) -> Meaning | None:
    """Return the plain words of `code`, or None for a code that is not in the table."""
    return CODES.get(code or "")


_RECIPIENT = "Correct the recipient's address in the source, or with session.edit()."
_SENDER = "Correct the shipper's address."
_PHONE = "Give a phone number with its area code, ten digits or more."
_SERVICE = "Choose another service: session.shop() lists what UPS offers for this row."
_ACCOUNT = "Check SHIPKIT_UPS_ACCOUNT: six characters, an account your UPS login may use."
_LATER = "Try again in a few minutes."
_CREDENTIALS = (
    "Check SHIPKIT_UPS_CLIENT_ID and SHIPKIT_UPS_CLIENT_SECRET, and that they belong to this host "
    "(test or live)."
)
_UNITS = "Please report this: the units should be those of the shipper's country."
_REPORT = "Please report this: shipkit should not send this request."
_BOX = "Correct the parcel's weight or dimensions."

CODES: MappingProxyType[str, Meaning] = MappingProxyType(
    {
        # The API as a whole
        "10429": Meaning(
            "UPS is throttling this account.",
            "shipkit slows down by itself; lower concurrency= or rate_limit= if it stays so.",
        ),  # I
        "10004": Meaning("UPS lost its own back end while answering.", _LATER),  # R
        "10001": Meaning(
            "UPS could not read the request; a control character in a text field is a common "
            "cause.",
            "Look for odd characters in this row.",
        ),  # G
        "10002": Meaning("A field is missing or has the wrong shape.", _REPORT),  # G
        "1": Meaning(
            "UPS refused the request without saying why; a control character in a text field is a "
            "common cause.",
            "Look for odd characters in this row.",
        ),  # R
        "20001": Meaning("UPS failed for a moment.", _LATER),  # G
        "250002": Meaning(
            "UPS does not know these credentials, or the token ran out.", _CREDENTIALS
        ),  # I
        "250003": Meaning("UPS did not accept the token.", _CREDENTIALS),  # R
        # Rating
        "111285": Meaning("The postal code and the state do not belong together.", _RECIPIENT),  # R
        "110548": Meaning("Weight and dimensions are in two systems of units.", _UNITS),  # I
        "111057": Meaning("UPS takes other units from the shipper's country.", _UNITS),  # I
        "121057": Meaning("UPS takes other units from the shipper's country.", _UNITS),  # I
        "111210": Meaning("This service does not run between these places.", _SERVICE),  # I
        "111526": Meaning(
            "Access Point Economy needs an Access Point, or a return.", _SERVICE
        ),  # I
        "112111": Meaning(
            "Account rates were asked for without a valid UPS account.", _ACCOUNT
        ),  # R
        "111549": Meaning(
            "Pricing with transit times needs the weight of the whole shipment.", _REPORT
        ),  # I
        # Shipping: sender
        "120001": Meaning("UPS's shipping system is down.", _LATER),  # G
        "120100": Meaning("The UPS account number is missing or wrong.", _ACCOUNT),  # G
        "120102": Meaning(
            "The shipper's street line is missing or longer than 35 characters.", _SENDER
        ),  # G
        "120105": Meaning("The shipper's city is missing.", _SENDER),  # G
        "120106": Meaning("The shipper's state is missing or not a two-letter code.", _SENDER),  # G
        "120107": Meaning("The shipper's postal code is missing or wrong.", _SENDER),  # G
        "120109": Meaning("The shipper's phone is needed.", _PHONE),  # G
        "120115": Meaning("The shipper's phone has fewer than ten digits.", _PHONE),  # G
        "120120": Meaning(
            "The UPS account belongs to another country than the shipper's address.",
            "Ship with an account of that country.",
        ),  # G
        "120124": Meaning("This service does not run between these places.", _SERVICE),  # G
        # Shipping: recipient
        "120200": Meaning(
            "The recipient's name is missing or longer than 35 characters.",
            "Give a name or company of at most 35 characters.",
        ),  # G
        "120201": Meaning(
            "A contact person is needed (international, Next Day Air Early).",
            "Give the recipient's name.",
        ),  # G
        "120202": Meaning(
            "The recipient's first street line is missing or longer than 35 characters.", _RECIPIENT
        ),  # R, G
        "120203": Meaning(
            "UPS does not take the recipient's second street line (35 characters at most).",
            _RECIPIENT,
        ),  # G
        "120205": Meaning("The recipient's city is missing.", _RECIPIENT),  # G
        "120206": Meaning("The recipient's state is missing or not a valid code.", _RECIPIENT),  # G
        "120207": Meaning("The recipient's postal code is missing or wrong.", _RECIPIENT),  # G
        "120208": Meaning("The recipient's country is missing or not served.", _RECIPIENT),  # G
        "120209": Meaning("The recipient's phone is needed.", _PHONE),  # G
        "120213": Meaning("The recipient's phone has fewer than ten digits.", _PHONE),  # G
        "120317": Meaning(
            "The parcels leave from another country than that of the UPS account.",
            "Ship with an account of the country that they leave from.",
        ),  # I
        "120302": Meaning("The ship-from street line is missing or too long.", _SENDER),  # G
        # Shipping: payment, service, references, parcels
        "120410": Meaning("No payer was given.", _ACCOUNT),  # G
        "120413": Meaning("This UPS account cannot be billed.", _ACCOUNT),  # G
        "120415": Meaning("The paying account and the sending account differ.", _ACCOUNT),  # G
        "120500": Meaning("UPS does not know this service.", _SERVICE),  # G
        "120512": Meaning(
            "Goods that leave the country need a description.",
            "Give a description, or customs items with descriptions.",
        ),  # G
        "120541": Meaning("Within the US a reference belongs on the package.", _REPORT),  # I, G
        "120542": Meaning("Outside the US a reference belongs on the shipment.", _REPORT),  # G
        "120544": Meaning(
            "UPS accepts fewer references on a package.", "Map fewer references."
        ),  # G
        "120600": Meaning("The packaging is missing.", _REPORT),  # G
        "120601": Meaning("A parcel's weight is missing or not a number.", _BOX),  # G
        "120602": Meaning(
            "A parcel has one or two dimensions; UPS requires all three or none.", _BOX
        ),  # G
        "120604": Meaning(
            "UPS does not take this declared value.", "Lower or drop the declared value."
        ),  # G
        "120702": Meaning("UPS does not know this label format.", _REPORT),  # G
        "120703": Meaning("The label size does not fit the label format.", "Use 4x6 or 4x8."),  # G
        "120801": Meaning(
            "The shipper's city, state and postal code do not belong together.", _SENDER
        ),  # G
        "120802": Meaning(
            "The recipient's city, state and postal code do not belong together.", _RECIPIENT
        ),  # R, G
        "121050": Meaning("A parcel is too large: length plus girth is over the limit.", _BOX),  # G
        "121100": Meaning(
            "This service is not offered from the shipper's country.", _SERVICE
        ),  # I, G
        "121210": Meaning("This service does not run between these places.", _SERVICE),  # G
        "121215": Meaning("This service does not deliver to homes.", _SERVICE),  # G
        "128218": Meaning(
            "The customs invoice has no goods on it.",
            "Give customs items: description, quantity, value, country of origin.",
        ),  # G
        # Address validation
        "9264030": Meaning(
            "UPS's test system validates addresses in New York and California only.",
            "Nothing to correct; the live system has no such limit.",
        ),  # R, S
        # Void
        "190100": Meaning("This is not a UPS shipment number.", None),  # G
        "190101": Meaning("It is too late to void this shipment online.", "Call UPS."),  # G
        "190102": Meaning(
            "UPS knows no shipment with this number that can be voided.",
            "Test shipments often cannot be voided; a live one may be too old: call UPS.",
        ),  # R, G
        "190104": Meaning(
            "A return shipment cannot be voided.", "An unused return label is not billed."
        ),  # G
        "190111": Meaning("More than 20 packages in one request to void.", _REPORT),  # G
        "190113": Meaning("An international shipment can only be voided whole.", _REPORT),  # G
        "190117": Meaning("The shipment is voided already.", None),  # G
        "190121": Meaning("Nothing was voided.", "Look at the shipment on ups.com."),  # G
        # Label recovery
        "300000": Meaning("UPS cannot look shipments up at the moment.", _LATER),  # G
        "300001": Meaning(
            "Several shipments carry this reference.",
            "Look at them on ups.com and void what is too many.",
        ),  # G
        "300002": Meaning("The shipment exists and is already moving.", None),  # G
        "300005": Meaning("A look-up needs the reference and the account.", _ACCOUNT),  # G
        "300006": Meaning("The shipment exists; UPS no longer keeps its label.", None),  # G
        "300007": Meaning("UPS finds no shipment with this reference so far.", None),  # G
        "300033": Meaning("The shipment existed and was voided.", None),  # G
        "300034": Meaning("UPS has the shipment and has not finished it yet.", _LATER),  # G
        "300035": Meaning(
            "Too many shipments carry this reference.",
            "Look at them on ups.com and void what is too many.",
        ),  # G
        # Tracking
        "TW0001": Meaning("UPS has no tracking data for this number so far.", None),  # R, I
        "TV1002": Meaning("This is not a tracking number.", None),  # R, I
        "151085": Meaning("The reference belongs to several accounts.", _ACCOUNT),  # I
    }
)

IN_DOUBT: frozenset[str] = frozenset({"10004", "120001", "20001"})
"""Errors after which a shipment may exist all the same, whatever the HTTP status.

Each is a failure of UPS's own systems behind the API, which may come after the shipment was made.
"""

ACCOUNT_REFUSED: frozenset[str] = frozenset({"112111", "120100"})
"""Refusals of the account, not of a row: every row would get them until the setting is corrected.

112111 was recorded for a rate request with a missing or wrong account number, 120100 is its
counterpart for shipments.
"""

ALREADY_VOIDED = "190117"

CANNOT_CLASSIFY = "9264030"
"""Address validation was refused for the place.

Recorded for an address outside New York and California, the only states that the test system
validates.
"""


class Recovery:
    """What codes of LabelRecovery mean for a shipment (UPS's older guide; not verified here)."""

    ABSENT = frozenset({"300007"})
    # 300034 and 300000 mean "not ready yet": like every code that is not here, in doubt.
    SEVERAL = frozenset({"300001", "300035"})
    NO_LABEL = frozenset({"300002", "300006"})
    VOIDED = frozenset({"300033"})


NOISE: frozenset[str] = frozenset({"110971", "120971", "112237", "111531"})
"""Alerts that are not about the shipment: "the invoice may vary" was 75 of 112 recorded alerts."""

SURCHARGES: MappingProxyType[str, str] = MappingProxyType(
    {"375": "fuel", "270": "residential", "376": "delivery_area"}
)
"""Codes of ItemizedCharges with a column of their own (recorded answers). The rest: "other"."""

EXPORT_REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        "sale": "SALE",
        "gift": "GIFT",
        "sample": "SAMPLE",
        "return": "RETURN",
        "repair": "REPAIR",
        "intercompany": "INTERCOMPANYDATA",
    }
)
"""Reason for export (Shipping.yaml, InternationalForms.ReasonForExport)."""
