# ruff: noqa: B905, FURB167, RUF005, SIM102, SIM105, SIM115, UP035, UP037
# The checker that came with the project's material, as it is; only the two lines above its
# docstring are ours.
"""Check UPS REST requests and responses against UPS's own OpenAPI files.

The specs (github.com/UPS-API/api-documentation, MIT, (c) 2023 UPS-API) are the
only public contract for the UPS API, and they are not clean: this module loads
them as they are, names their defects, and checks JSON against them in one of
three modes, so that a test can tell "we are wrong" from "the spec is wrong".

    strict    the published schema, nothing forgiven
    tolerant  published schema with PATCHES (spec bugs we can point at), numeric
              bounds dropped, "one object where an array is declared" allowed and,
              for responses, what UPS was seen to send: any string length, "" for
              an empty object, a list where one string is declared
    closed    tolerant, plus: a request property the spec does not declare is an
              error.  This is the useful one for request builders: it catches
              "PackagingType" sent to Ship (it is "Packaging" there).

Use from a test:

    from ups_contract import Contract
    ups = Contract.load("specs")            # folder of *.yaml or slim *.json(.gz)
    problems = ups.request("POST", "/api/rating/v2409/Shop", body, mode="closed")
    problems += ups.response("POST", "/api/rating/v2409/Shop", 200, answer)
    assert not problems, "\n".join(map(str, problems))

Command line:

    python ups_contract.py specs defects              # lint the specs
    python ups_contract.py specs examples [OUTDIR]    # check (and save) every embedded example
    python ups_contract.py specs check DIR            # check a folder of recorded exchanges
    python ups_contract.py specs slim OUTDIR          # description-free JSON copies (no YAML
    needed later)

A recorded exchange is a JSON file {"method", "path", "status", "request", "response"};
"request" and "response" may be absent or null.

Needs jsonschema>=4.18; PyYAML only for *.yaml specs.  Tested: Python 3.11,
jsonschema 4.26.0, PyYAML 6.0.3.
"""

from __future__ import annotations

import copy
import dataclasses
import gzip
import json
import pathlib
import re
import sys
from collections import Counter
from typing import Any, Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

MODES = ("strict", "tolerant", "closed")
METHODS = ("get", "put", "post", "delete", "patch")

# Spec bugs with evidence: (spec, schema, property or None, what to change, why).
# "drop_required": names taken out of `required`; anything else replaces keywords.
PATCHES: list[tuple[str, str, str | None, dict[str, Any], str]] = [
    (
        "Rating",
        "Shipment_Service",
        "Code",
        {"minLength": 2, "maxLength": 3},
        "declared exactly 3 characters, every documented value ('03', '07') has 2",
    ),
    (
        "Rating",
        "RateRequest_Request",
        None,
        {"drop_required": ["RequestOption"]},
        "required but not declared as a property; the option travels in the URL",
    ),
    (
        "Shipping",
        "LabelRecoveryRequest",
        None,
        {"drop_required": ["TrackingNumbers", "ReferenceValues"]},
        (
            "both required since the Roadie change, yet its own text makes them alternatives to "
            "TrackingNumber"
        ),
    ),
    (
        "Shipping",
        "LabelRecoveryRequest_ReferenceValues",
        None,
        {"drop_required": ["ReferenceNumber"]},
        "the spec's own Roadie example sends ShipperNumber alone",
    ),
    (
        "Shipping",
        "ShipmentRequest_LabelSpecification",
        None,
        {"drop_required": ["LabelStockSize"]},
        "only meaningful for EPL/ZPL/SPL; the spec's own GIF examples omit it",
    ),
    (
        "Shipping",
        "LabelRecovery_LabelSpecification_LabelImageFormat",
        "Code",
        {"minLength": 3},
        "declared 4 characters, its own values are GIF PDF ZPL EPL SPL",
    ),
    (
        "Shipping",
        "PackageResults_RateModifier",
        None,
        {"drop_required": ["CurrencyCode"]},
        "required but not declared as a property",
    ),
    (
        "TimeInTransit",
        "candidateAddress",
        None,
        {"drop_required": ["CountryCode"]},
        "required but declared as countryCode",
    ),
    (
        "TimeInTransit",
        "services",
        None,
        {"drop_required": ["saturdayDeliveryIndicator"]},
        "required but not declared as a property",
    ),
    (
        "AddressValidation",
        "XAVRequest",
        "AddressKeyFormat",
        {
            "anyOf": [
                {"$ref": "#/components/schemas/XAVRequest_AddressKeyFormat"},
                {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/XAVRequest_AddressKeyFormat"},
                },
            ],
            "$ref": None,
        },
        "declared one object; recorded 200 answers to a one-element list",
    ),
    *[
        (
            "Shipping",
            "Package_Dimensions",
            side,
            {"maxLength": 8},
            "declared 1-3 characters; recorded 200 answers to '7.874' and '11.811'",
        )
        for side in ("Length", "Width", "Height")
    ],
    *[
        (
            "Rating",
            unit,
            None,
            {"drop_required": ["Description"]},
            "its own text says 'not validated'; recorded 200 answers without it",
        )
        for unit in (
            "Dimensions_UnitOfMeasurement",
            "PackageWeight_UnitOfMeasurement",
            "DimWeight_UnitOfMeasurement",
            "ShipmentTotalWeight_UnitOfMeasurement",
            "BillingWeight_UnitOfMeasurement",
            "RatedPackage_BillingWeight_UnitOfMeasurement",
        )
    ],
    *[
        (
            "Rating",
            amount,
            "MonetaryValue",
            {"minLength": 1},
            "declared exactly 8 characters; recorded 200 answers to a declared value of '0'",
        )
        for amount in (
            "COD_CODAmount",
            "PackageServiceOptions_DeclaredValue",
            "Insurance_BasicFlexibleParcelIndicator",
            "Insurance_ExtendedFlexibleParcelIndicator",
            "Insurance_TimeInTransitFlexibleParcelIndicator",
            "Insurance_PackageProtection",
            "ShipmentServiceOptions_COD_CODAmount",
        )
    ],
]

# Statuses UPS was seen to answer with although the spec does not list them, and the
# documented status whose body they carry (tolerant and closed modes only).
# 206: TimeInTransit with candidate addresses; 401/404/500/503: the error body.
EXTRA_STATUS = {
    206: (200,),
    401: (400,),
    404: (400,),
    405: (400,),
    429: (400,),
    500: (400,),
    502: (400,),
    503: (400,),
    504: (400,),
}

# Container keys that UPS documents as presence flags: "" is the documented value.
_FLAG = re.compile(r"Indicator$|^(HTTPUserAgent|CustomerContext|Extension)$")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One disagreement between a JSON document and the contract."""

    operation: str
    kind: str  # "request", "response", "parameter"
    pointer: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.pointer or '/'}: {self.message} [{self.rule}]"


@dataclasses.dataclass(frozen=True)
class Operation:
    """One method of one path of one spec."""

    spec: str
    method: str
    path: str
    base: str  # path part of the server url: "/api" or ""
    id: str
    node: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.spec}.{self.id}"

    @property
    def deprecated(self) -> bool:
        return bool(self.node.get("deprecated"))

    def match(self, path: str) -> dict[str, str] | None:
        """The path parameters if *path* (with or without the base) fits."""
        template = re.sub(
            r"\{(\w+)\}",
            r"(?P<\1>[^/]+)",
            re.escape(self.path).replace(r"\{", "{").replace(r"\}", "}"),
        )
        for prefix in {re.escape(self.base), ""}:
            hit = re.fullmatch(prefix + template, path)
            if hit:
                return hit.groupdict()
        return None

    def body_schema(self, status: int | None = None) -> dict[str, Any] | None:
        """Schema of the request body, or of the response with *status*."""
        holder = (
            self.node.get("requestBody")
            if status is None
            else self.node.get("responses", {}).get(str(status))
        )
        for media in ((holder or {}).get("content") or {}).values():
            return media.get("schema")
        return None


class Contract:
    """All operations of a set of UPS OpenAPI specs."""

    def __init__(self, specs: dict[str, dict[str, Any]], notes: dict[str, list[str]] | None = None):
        self.specs = specs
        self.notes = notes or {}
        self.operations: list[Operation] = [
            op for name, doc in specs.items() for op in _operations(name, doc)
        ]
        self._prepared: dict[tuple[str, str, bool], dict[str, Any]] = {}

    # -- loading ---------------------------------------------------------
    @classmethod
    def load(cls, folder: str | pathlib.Path, only: Iterable[str] | None = None) -> "Contract":
        """Read every spec in *folder*; `*-Ready.yaml` twins are skipped."""
        wanted, specs, notes = set(only) if only else None, {}, {}
        for file in sorted(pathlib.Path(folder).iterdir()):
            name = file.name.split(".")[0]
            if name.endswith("-Ready") or (wanted and name not in wanted):
                continue
            if file.name.endswith((".json", ".json.gz")):
                raw = gzip.open(file).read() if file.suffix == ".gz" else file.read_bytes()
                specs[name] = json.loads(raw)
            elif file.suffix in (".yaml", ".yml"):
                specs[name], notes[name] = _read_yaml(file)
        if not specs:
            raise FileNotFoundError(f"no UPS specs in {folder}")
        return cls(specs, notes)

    # -- looking up ------------------------------------------------------
    def find(self, method: str, url: str) -> tuple[Operation, dict[str, str]]:
        """The operation for a method and URL (host and query are ignored)."""
        path = urlsplit(url).path
        hits = [
            (op, got)
            for op in self.operations
            if op.method == method.upper() and (got := op.match(path)) is not None
        ]
        if not hits:
            raise LookupError(
                f"{method.upper()} {path} is in none of {', '.join(sorted(self.specs))}"
            )
        # "/{version}/" and "/{deprecatedVersion}/" match alike: take the current one
        # unless the version in the URL is one that only the deprecated twin lists.
        hits.sort(key=lambda h: (h[0].deprecated, len(h[1])))
        return hits[0]

    # -- checking --------------------------------------------------------
    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        mode: str = "closed",
    ) -> list[Problem]:
        """Problems of a request: URL, query, headers (if given) and JSON body."""
        op, path_values = self.find(method, url)
        problems = self._parameters(
            op, path_values, dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)), headers
        )
        schema = op.body_schema()
        if schema is None:
            if body is not None:
                problems.append(
                    Problem(op.name, "request", "", "body", "this operation takes no JSON body")
                )
            return problems
        if body is None:
            return problems + [
                Problem(op.name, "request", "", "required", "a JSON body is required")
            ]
        return problems + self._check(op, "request", schema, body, mode)

    def response(
        self, method: str, url: str, status: int, body: Any, *, mode: str = "tolerant"
    ) -> list[Problem]:
        """Problems of a response body for *status*."""
        op, _ = self.find(method, url)
        schema = op.body_schema(status)
        if schema is None and mode != "strict":
            schema = next(
                (s for alt in EXTRA_STATUS.get(status, ()) if (s := op.body_schema(alt))), None
            )
        if schema is None:
            known = ", ".join(op.node.get("responses", {}))
            return [
                Problem(
                    op.name,
                    "response",
                    "",
                    "status",
                    f"status {status} is not documented (known: {known})",
                )
            ]
        return self._check(op, "response", schema, body, mode)

    def _parameters(self, op, path_values, query, headers) -> list[Problem]:
        problems, declared = [], op.node.get("parameters", [])
        lower = {k.lower(): v for k, v in (headers or {}).items()}
        for p in declared:
            name, where, must = p["name"], p["in"], p.get("required")
            value = {
                "path": path_values.get(name),
                "query": query.get(name),
                "header": lower.get(name.lower()),
            }.get(where)
            if where == "header" and headers is None:
                continue
            if value is None and must:
                problems.append(
                    Problem(op.name, "parameter", f"{where}:{name}", "required", "missing")
                )
        known = {p["name"] for p in declared if p["in"] == "query"}
        problems += [
            Problem(op.name, "parameter", f"query:{q}", "unknown", "not declared")
            for q in query
            if q not in known
        ]
        return problems

    def _check(self, op, kind, schema, body, mode) -> list[Problem]:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}")
        root = dict(self._schemas(op.spec, mode, kind == "response"))
        root["allOf"] = [_convert(schema, mode, kind == "response")]
        out = []
        for error in sorted(
            Draft202012Validator(root).iter_errors(body),
            key=lambda e: [str(p) for p in e.absolute_path],
        ):
            for leaf in _leaves(error):
                pointer = "".join(f"/{p}" for p in leaf.absolute_path)
                text = (
                    leaf.message
                    if len(leaf.message) < 160
                    else leaf.message[:75] + " ... " + leaf.message[-75:]
                )
                out.append(Problem(op.name, kind, pointer, str(leaf.validator), text))
        return out

    def _schemas(self, spec: str, mode: str, response: bool) -> dict[str, Any]:
        key = (spec, mode, response)
        if key not in self._prepared:
            schemas = copy.deepcopy(self.specs[spec].get("components", {}).get("schemas", {}))
            if mode != "strict":
                for target, name, prop, change, _why in PATCHES:
                    if target == spec and name in schemas:
                        node = schemas[name]["properties"][prop] if prop else schemas[name]
                        for k, v in change.items():
                            if k == "drop_required":
                                node["required"] = [
                                    r for r in node.get("required", []) if r not in v
                                ]
                            elif v is None:
                                node.pop(k, None)
                            else:
                                node[k] = v
            self._prepared[key] = {
                "components": {
                    "schemas": {n: _convert(s, mode, response) for n, s in schemas.items()}
                }
            }
        return self._prepared[key]

    # -- examples --------------------------------------------------------
    def examples(self) -> Iterator[dict[str, Any]]:
        """Every example embedded in the specs, as exchange-like dicts."""
        for op in self.operations:
            places = [("request", None, (op.node.get("requestBody") or {}).get("content") or {})]
            places += [
                ("response", int(s), (r.get("content") or {}))
                for s, r in op.node.get("responses", {}).items()
                if s.isdigit()
            ]
            for kind, status, content in places:
                for media in content.values():
                    found = dict(media.get("examples") or {})
                    if "example" in media:
                        found["example"] = {"value": media["example"]}
                    for key, ex in found.items():
                        value = ex.get("value")
                        if isinstance(value, str):
                            try:
                                value = json.loads(value)
                            except ValueError:
                                pass
                        yield {
                            "spec": op.spec,
                            "operation": op.id,
                            "deprecated": op.deprecated,
                            "method": op.method,
                            "path": op.base + op.path,
                            "kind": kind,
                            "status": status,
                            "key": str(key),
                            "summary": (ex.get("summary") or "").strip(),
                            "body": value,
                        }


def _operations(name: str, doc: dict[str, Any]) -> Iterator[Operation]:
    for path, item in doc.get("paths", {}).items():
        for method, node in item.items():
            if method in METHODS:
                servers = node.get("servers") or doc.get("servers") or [{"url": ""}]
                base = urlsplit(servers[0]["url"]).path.rstrip("/")
                yield Operation(
                    name,
                    method.upper(),
                    path,
                    base,
                    re.sub(r"\s+", "", str(node.get("operationId", path))),
                    node,
                )


def _read_yaml(file: pathlib.Path) -> tuple[dict[str, Any], list[str]]:
    """YAML with its warts: tabs become spaces, duplicate keys are reported."""
    import yaml

    text, notes = file.read_text(encoding="utf-8"), []
    if "\t" in text:
        try:
            for _ in yaml.scan(text, Loader=yaml.SafeLoader):
                pass
        except yaml.YAMLError as error:
            notes.append(
                "not valid YAML for a strict parser (tab characters): line "
                f"{error.problem_mark.line + 1}"
            )
        text = text.replace("\t", "    ")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc, valid-type]
        pass

    def mapping(loader, node, deep=False):
        keys = Counter(
            str(k.value) for k, _ in node.value if hasattr(k, "value") and isinstance(k.value, str)
        )
        notes.extend(
            f"duplicate key {k!r} near line {node.start_mark.line + 1} (last one wins)"
            for k, n in keys.items()
            if n > 1
        )
        return base.construct_mapping(loader, node, deep=deep)

    def construct(loader, node):
        data: dict = {}
        yield data
        data.update(mapping(loader, node))

    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    return yaml.load(text, Loader=Loader), notes


def _convert(node: Any, mode: str, response: bool, name: str = "") -> Any:
    """OpenAPI 3.0 schema -> JSON Schema 2020-12, forgiving as *mode* says."""
    if isinstance(node, list):
        return [_convert(n, mode, response) for n in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in (
            "description",
            "example",
            "examples",
            "xml",
            "externalDocs",
            "discriminator",
            "deprecated",
            "default",
            "title",
        ):
            continue
        if key == "properties":
            out[key] = {k: _convert(v, mode, response, k) for k, v in (value or {}).items()}
        elif key in ("items", "allOf", "oneOf", "anyOf", "not", "additionalProperties"):
            out[key] = _convert(value, mode, response)
        else:
            out[key] = value
    kind = out.get("type")
    # UPS writes XML occurrence counts as minimum/maximum; on non-numbers JSON Schema ignores them.
    if kind not in ("number", "integer"):
        out.pop("minimum", None), out.pop("maximum", None)
    for flag, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(flag), bool):
            if out.pop(flag) and limit in out:
                out[flag] = out.pop(limit)
    if out.pop("nullable", False) and kind:
        out["type"] = [kind, "null"]
    if mode == "strict":
        return out
    if kind in (
        "number",
        "integer",
    ):  # TimeInTransit and LandedCost put occurrence counts on numbers too
        out.pop("minimum", None), out.pop("maximum", None)
        out["type"] = ["number", "string"]
    if response:
        for key in ("minLength", "maxLength", "pattern", "enum", "minItems", "maxItems"):
            out.pop(key, None)
        if (
            kind == "string"
        ):  # numbers, null and one-element lists arrive where strings are declared
            out["type"] = ["string", "number", "boolean", "null", "array"]
        elif kind == "object":  # an empty XML element arrives as "" (TransactionReference, Receipt)
            out = {"anyOf": [out, {"enum": ["", None]}]}
    elif kind == "string" and _FLAG.search(name):
        out.pop("minLength", None)
    if (
        mode == "closed"
        and not response
        and "properties" in out
        and "additionalProperties" not in out
    ):
        out["additionalProperties"] = False
    if kind == "array":
        array = {k: v for k, v in out.items() if k not in ("minLength", "maxLength")}
        out = {"anyOf": [array, {"not": {"type": "array"}, **(array.get("items") or {})}]}
    return out


def _leaves(error) -> Iterator[Any]:
    """The most telling leaf of an anyOf (object-or-array) error."""
    if error.validator == "anyOf" and error.context:
        is_array = isinstance(error.instance, list)
        branch = [e for e in error.context if (e.schema_path[0] == 0) == is_array]
        branch = [e for e in branch if e.validator not in ("type", "not")] or branch
        for e in branch or [error]:
            yield from _leaves(e)
    else:
        yield error


# -- linting the specs themselves ----------------------------------------
def defects(contract: Contract) -> Iterator[tuple[str, str, str]]:
    """(spec, rule, detail) for each thing wrong with the specs as published."""
    for name, doc in contract.specs.items():
        for note in contract.notes.get(name, []):
            yield name, "yaml", note
        schemas = doc.get("components", {}).get("schemas", {})
        counts: Counter = Counter()
        for where, node in _walk(doc, ""):
            ref = node.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/"):
                target: Any = doc
                for part in ref[2:].split("/"):
                    target = target.get(part) if isinstance(target, dict) else None
                if target is None:
                    yield name, "dangling $ref", f"{where} -> {ref}"
            kind = node.get("type")
            if isinstance(node.get("required"), list) and isinstance(node.get("properties"), dict):
                for missing in [r for r in node["required"] if r not in node["properties"]]:
                    yield name, "required but undeclared", f"{where}: {missing}"
            if (
                kind in ("string", "object", "array", None)
                and ("maximum" in node or "minimum" in node)
                and "name" not in node
            ):
                counts[f"min/maximum on {kind or 'untyped'}"] += 1
            if kind == "array" and ("maxLength" in node or "minLength" in node):
                counts["min/maxLength on array"] += 1
            if kind == "string" and isinstance(node.get("default"), (int, float, bool)):
                yield name, "default of wrong type", f"{where}: {node['default']!r}"
            if (
                isinstance(node.get("minLength"), int)
                and isinstance(node.get("maxLength"), int)
                and node["minLength"] > node["maxLength"]
            ):
                yield name, "minLength > maxLength", where
        for rule, n in counts.items():
            yield name, rule, f"{n} places (no effect in JSON Schema)"
        shapes: dict[str, list[str]] = {}
        for path, item in doc.get("paths", {}).items():
            shapes.setdefault(re.sub(r"\{\w+\}", "{}", path), []).append(path)
            for method, node in item.items():
                if method not in METHODS:
                    continue
                declared = {p["name"] for p in node.get("parameters", []) if p.get("in") == "path"}
                inside = set(re.findall(r"\{(\w+)\}", path))
                for p in declared ^ inside:
                    yield name, "path parameter mismatch", f"{method.upper()} {path}: {p}"
                for p in node.get("parameters", []):
                    s = p.get("schema", {})
                    texts = re.findall(r"^\s*- (\w+) =", p.get("description", ""), re.M)
                    if "maxLength" in s and any(len(t) > s["maxLength"] for t in texts):
                        yield (
                            name,
                            "maxLength below documented value",
                            (
                                f"{method.upper()} {path} {p['name']}: {s['maxLength']} < "
                                f"{max(texts, key=len)!r}"
                            ),
                        )
        for same in shapes.values():
            if len(same) > 1:
                yield name, "ambiguous paths (OpenAPI forbids)", " == ".join(same)
        used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(doc, default=str)))
        unused = [s for s in schemas if s not in used]
        if unused:
            yield name, "unused schemas", f"{len(unused)}: {', '.join(unused[:6])}"


def _walk(node: Any, where: str) -> Iterator[tuple[str, dict]]:
    if isinstance(node, dict):
        yield where, node
        for k, v in node.items():
            if k not in ("example", "examples"):
                yield from _walk(v, f"{where}/{k}")
    elif isinstance(node, list):
        for i, v in enumerate(node):
            yield from _walk(v, f"{where}/{i}")


# -- command line ----------------------------------------------------------
def _slim(node: Any, inside_properties: bool = False) -> Any:
    if isinstance(node, dict):
        drop = (
            ()
            if inside_properties
            else ("description", "xml", "example", "examples", "externalDocs")
        )
        return {
            k: _slim(v, k == "properties" and not inside_properties)
            for k, v in node.items()
            if k not in drop
        }
    return [_slim(v) for v in node] if isinstance(node, list) else node


def main(argv: list[str]) -> int:
    if len(argv) < 2:
        print(__doc__)
        return 2
    contract, command, rest = Contract.load(argv[0]), argv[1], argv[2:]
    if command == "defects":
        for spec, rule, detail in defects(contract):
            print(f"{spec:28} {rule:36} {detail}")
    elif command == "examples":
        out = pathlib.Path(rest[0]) if rest else None
        print(
            f"{'spec.operation':52} {'kind':9} {'key':6} {'strict':>6} {'toler.':>6} "
            f"{'closed':>6}  summary"
        )
        for ex in contract.examples():
            cells = []
            for mode in MODES:
                status = ex["status"]
                found = (
                    contract.request(ex["method"], _fill(ex), ex["body"], mode=mode)
                    if status is None
                    else contract.response(ex["method"], _fill(ex), status, ex["body"], mode=mode)
                )
                ex[mode] = [str(p) for p in found if p.kind != "parameter"]
                cells.append("ok" if not ex[mode] else str(len(ex[mode])))
            print(
                f"{ex['spec'] + '.' + ex['operation']:52} {ex['kind']:9} {ex['key']:6} "
                f"{cells[0]:>6} {cells[1]:>6} {cells[2]:>6}  {ex['summary'][:70]}"
            )
            if out:
                out.mkdir(parents=True, exist_ok=True)
                stem = re.sub(
                    r"[^\w.-]+",
                    "_",
                    f"{ex['spec']}.{ex['operation']}.{ex['kind']}{ex['status'] or ''}.{ex['key']}",
                )
                (out / f"{stem}.json").write_text(
                    json.dumps(ex, indent=1, ensure_ascii=False, default=str) + "\n"
                )
    elif command == "check":
        bad = 0
        for file in sorted(pathlib.Path(rest[0]).glob("*.json")):
            ex = json.loads(file.read_text())
            cells = []
            for mode in MODES:
                found: list[Problem] = []
                if ex.get("request") is not None:
                    found += contract.request(ex["method"], ex["path"], ex["request"], mode=mode)
                if ex.get("response") is not None:
                    found += contract.response(
                        ex["method"], ex["path"], ex["status"], ex["response"], mode=mode
                    )
                cells.append(found)
            bad += bool(cells[1])
            print(
                f"{file.name:56} {ex['status']} "
                + " ".join(f"{m}={len(c) or 'ok'}" for m, c in zip(MODES, cells))
            )
            for p in cells[1][:4]:
                print("      tolerant:", p)
        return 1 if bad else 0
    elif command == "slim":
        out = pathlib.Path(rest[0])
        out.mkdir(parents=True, exist_ok=True)
        for name, doc in contract.specs.items():
            with gzip.GzipFile(out / f"{name}.json.gz", "wb", mtime=0) as f:
                f.write(json.dumps(_slim(doc), separators=(",", ":"), default=str).encode())
    else:
        print(__doc__)
        return 2
    return 0


def _fill(ex: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: "v1" if "ersion" in m[1] else "x", ex["path"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
