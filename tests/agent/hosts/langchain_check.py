"""LangChain drives the server: ``langchain_check.py SERVER_PYTHON HOME SHOP_JSON``.

It runs in an environment of its own, with an older mcp.
"""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

from shipkit.agent.adapters import langchain_connection

APPROVE = """
import datetime as dt, sys
from pathlib import Path
from shipkit.purchasing.approval import approve
approve(Path(sys.argv[1]), sys.argv[2], now=dt.datetime.now(dt.UTC), by="dana", via="terminal")
"""


def orders(count):
    return [
        {
            "order_id": str(i),
            "name": "Ada Lee",
            "address1": f"{i} Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 2,
            "service": "ground",
        }
        for i in range(1, count + 1)
    ]


async def main(python, home, shop):
    connection = langchain_connection(
        "--shipper",
        f"harbor={shop}",
        "--home",
        home,
        command=[python, "-m", "shipkit.agent.mcp_server"],
    )
    async with MultiServerMCPClient({"shipkit": connection}).session("shipkit") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        assert len(tools) == 10
        await tools["load_orders"].ainvoke({"rows": orders(3)})
        text = str(await tools["batch_preview"].ainvoke({}))
        preview_id = text[text.index("pv_") :][:15]
        refused = str(await tools["batch_execute"].ainvoke({"preview_id": preview_id}))
        assert f"shipkit approve {preview_id}" in refused, refused
        subprocess.run([python, "-c", APPROVE, home, preview_id], check=True)  # noqa: ASYNC221
        done = str(await tools["batch_execute"].ainvoke({"preview_id": preview_id}))
        assert "3 shipped" in done, done
    con = sqlite3.connect(Path(home) / "sandbox" / "books.sqlite")
    assert con.execute("SELECT count(*) FROM purchases").fetchone() == (3,)
    con.close()
    print("ok   langchain-mcp-adapters")


asyncio.run(main(*sys.argv[1:]))
