"""Measure the agent tools: characters of definitions and answers, import time, preview latency.

``python benchmarks/bench_agent.py ORDERS.csv``
(``../shared/orders/superstore_shipments_5009.csv``). Prints a table; needs no network.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHOP = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


TEMPLATE = """{"order_id": {{ row.order_id | tojson }},
 "ship_to": {"name": {{ row.name | tojson }},
  "address_line1": {{ (row.address1 or "1 Main St") | tojson }},
  "city": {{ row.city | tojson }},
             "state": {{ row.state | tojson }}, "postal_code": {{ row.zip | tojson }}},
 "service": "ground", "parcels": [{"weight_lb": {{ row.qty }}}]}"""


def imports() -> None:
    for module in ("shipkit", "shipkit.agent", "shipkit.session", "shipkit.agent.mcp_server"):
        code = (
            f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        )
        times = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(5)
        ]
        print(
            f"import {module:22} {1000 * min(times):7.0f} ms (best of 5), "
            f"{1000 * statistics.median(times):7.0f} ms (median)"
        )


def definitions() -> None:
    from shipkit import agent
    from shipkit.agent.tool_table import TOOLS

    tools = agent.get_orchestrator_tools()
    print(f"definitions, Anthropic shape {len(json.dumps(agent.to_anthropic(tools))):6} characters")
    print(f"definitions, OpenAI shape    {len(json.dumps(agent.to_openai(tools))):6} characters")
    wire = [
        {
            **shown,
            "title": TOOLS[shown["name"]].title,
            "annotations": TOOLS[shown["name"]].hints,
            "outputSchema": TOOLS[shown["name"]].answer_schema,
        }
        for shown in agent.to_anthropic(tools)
    ]
    print(f"tools/list, answers' schemas too {len(json.dumps(wire)):6} characters")


async def answers(orders: Path) -> None:
    from shipkit.agent import get_orchestrator_tools

    tools = {
        tool["name"]: tool["function"] for tool in get_orchestrator_tools(roots=[orders.parent])
    }

    async def call(name: str, **arguments):
        began = time.perf_counter()
        result = await tools[name](arguments)
        took = time.perf_counter() - began
        text, facts = (
            sum(len(part.get("text", "")) for part in result["content"]),
            len(json.dumps(result["structuredContent"])),
        )
        print(
            f"{name:16} {'ERROR' if result['is_error'] else '     '} {1000 * took:8.0f} ms  text "
            f"{text:6}  facts {facts:6} characters  {json.dumps(arguments)[:60]}"
        )
        return result

    await call("load_orders", path=orders.name)
    await call("describe_orders")
    await call("batch_preview", shipper_info=SHOP, mapping_template=TEMPLATE)
    for _ in range(3):
        await call("batch_preview", mapping_template=TEMPLATE)
    await call("batch_preview")
    await call("batch_preview", filter_clause="state = 'Texas'", sample=20)
    await call("batch_preview", filter_clause="")
    await call("batch_problems")
    await call("batch_execute")
    await call("batch_execute", approved=True, wait_s=600)
    await call("get_job_status")
    await call("get_labels")
    await call("batch_resume")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        import os

        os.environ["SHIPKIT_HOME"] = home
        imports()
        definitions()
        asyncio.run(answers(Path(sys.argv[1]).resolve()))
