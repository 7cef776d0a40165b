"""Creates the tables, and the users of a measurement.

    prepare.py CALLERS TARGETS PASSWORD
"""

import asyncio
import sys

import asyncpg

from main import DEFAULT_TYPE, hasher

TABLES = """
CREATE TABLE users (
    id int PRIMARY KEY, login_name text NOT NULL UNIQUE, is_administrator bool NOT NULL
);
CREATE TABLE credentials (
    user_id int NOT NULL REFERENCES users, type text NOT NULL, hash text NOT NULL,
    display_value text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, type)
)"""
USERS = "INSERT INTO users SELECT $1 + n, $2 || n, $3 FROM generate_series(0, $4::int - 1) AS n"


async def prepare(callers, targets, password):
    connection = await asyncpg.connect()
    await connection.execute(TABLES)
    await connection.execute(USERS, 1000, "caller", True, callers)
    await connection.execute(USERS, 100_000, "target", False, targets)
    await connection.execute(
        "INSERT INTO credentials (user_id, type, hash, display_value)"
        " SELECT id, $1, $2, '' FROM users WHERE is_administrator",
        DEFAULT_TYPE, hasher.hash(password),
    )
    await connection.close()


asyncio.run(prepare(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
