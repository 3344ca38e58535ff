"""Real servers, started on free loopback ports; a test is skipped where one is not installed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shipkit.orders.database.dialects import dialect_of
from shipkit.orders.database.urls import Location

PASSWORD = "p@ss/w:rd"
"""Has every mark that breaks a url."""


@dataclass
class Server:
    """One database server, with what a test needs of it."""

    kind: str
    url: str

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one connection; return the rows of the last one that has any."""
        location = Location.of(self.url)
        if location.kind == "sqlite":
            with sqlite3.connect(location.name) as connection:
                rows = [connection.execute(statement).fetchall() for statement in statements][-1]
            connection.close()
            return rows
        rows: list[tuple[Any, ...]] = []
        with dialect_of(location).connected(location) as connection:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                    rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
        return rows


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def as_user(user: str) -> list[str]:
    return ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []


def listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.skip(f"the server did not start: {log.read_text(errors='replace')[-300:]}")
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.skip("the server did not answer within 30 s")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("adbc_driver_postgresql", reason="the extra `db` is not installed")
    found = shutil.which("initdb") or next(
        (
            str(path)
            for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
        ),
        None,
    )
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    binaries, folder, port = (
        Path(found).resolve().parent,
        tmp_path_factory.mktemp("pg"),
        free_port(),
    )
    for path in (
        folder,
        *(above for above in folder.parents if above.name.startswith(("pytest-", "popen-"))),
    ):
        path.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data, secret, log = folder / "data", folder / "secret", folder / "log"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = subprocess.run(
        [
            *as_user("postgres"),
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "shop",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "--no-sync",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if made.returncode:
        pytest.skip(f"PostgreSQL cannot be set up here: {made.stderr[-200:]}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *as_user("postgres"),
                str(binaries / "postgres"),
                "-D",
                str(data),
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-k",
                "",
                "-c",
                "fsync=off",
            ],
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    try:
        listening(port, process, log)
        time.sleep(0.3)
        yield Server("postgresql", f"postgresql://shop:p%40ss%2Fw%3Ard@127.0.0.1:{port}/postgres")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pymysql = pytest.importorskip("pymysql", reason="the extra `db` is not installed")
    server, setup = (
        shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin"),
        shutil.which("mariadb-install-db"),
    )
    if server is None or setup is None:
        pytest.skip("MariaDB is not installed")
    folder, port = tmp_path_factory.mktemp("maria"), free_port()
    for path in (
        folder,
        *(above for above in folder.parents if above.name.startswith(("pytest-", "popen-"))),
    ):
        path.chmod(0o755)
    data, log = folder / "data", folder / "log"
    if os.geteuid() == 0:
        shutil.chown(folder, "mysql")
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    made = subprocess.run(
        [
            setup,
            "--no-defaults",
            *user,
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"MariaDB cannot be set up here: {made.stderr[-200:]}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                server,
                "--no-defaults",
                *user,
                f"--datadir={data}",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={folder}/s.sock",
                f"--pid-file={folder}/pid",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        listening(port, process, log)
        root = pymysql.connect(unix_socket=f"{folder}/s.sock", user="root")
        with root.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE USER 'shop'@'%' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT ALL ON *.* TO 'shop'@'%'")
        root.close()
        yield Server("mariadb", f"mariadb://shop:p%40ss%2Fw%3Ard@127.0.0.1:{port}/shop")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def sqlite(tmp_path: Path) -> Server:
    path = tmp_path / "orders.db"
    sqlite3.connect(path).close()
    return Server("sqlite", f"sqlite:///{path}")


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found
