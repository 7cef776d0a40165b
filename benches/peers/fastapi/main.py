"""Saves credentials with FastAPI, asyncpg and argon2-cffi."""

import asyncio
import contextlib
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import argon2
import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel, Field

DEFAULT_TYPE = "CRM5/PASSWORD"
TOKEN_SECRET = os.environ["TOKEN_SECRET"]
TOKEN_SECONDS = 3600

hasher = argon2.PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1, hash_len=32)
# argon2-cffi releases the interpreter's lock while it hashes.
threads = ThreadPoolExecutor(max_workers=os.cpu_count())
# An unknown name takes as long as a wrong password.
UNKNOWN = hasher.hash(secrets.token_urlsafe())


class Principal(BaseModel):
    """The answer to the current principal."""

    AssociateId: int
    Associate: str
    IsAdministrator: bool


class CredentialType(BaseModel):
    Type: str | None = None


class Credential(BaseModel):
    Type: CredentialType | None = None
    Value: str = Field(min_length=1, max_length=1024)
    DisplayValue: str = ""


class SaveCredential(BaseModel):
    UserId: int
    Credential: Credential


@contextlib.asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(min_size=2, max_size=10) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
basic = HTTPBasic(auto_error=False)
bearer = HTTPBearer(auto_error=False)


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(threads, function, *arguments)


def refusal():
    return HTTPException(401, "Unauthorized", {"WWW-Authenticate": 'Bearer, Basic realm="peers"'})


def matches(encoded, password):
    try:
        return hasher.verify(encoded, password)
    except argon2.exceptions.VerificationError:
        return False


async def by_password(pool, presented):
    row = await pool.fetchrow(
        "SELECT id, login_name, is_administrator, hash FROM users"
        " JOIN credentials ON user_id = id AND type = $2 WHERE login_name = $1",
        presented.username, DEFAULT_TYPE,
    )
    if not await in_thread(matches, row["hash"] if row else UNKNOWN, presented.password) or not row:
        raise refusal()
    return Principal(
        AssociateId=row["id"], Associate=row["login_name"], IsAdministrator=row["is_administrator"]
    )


def by_token(token):
    try:
        claims = jwt.decode(
            token, TOKEN_SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]}
        )
    except jwt.InvalidTokenError:
        raise refusal() from None
    return Principal(
        AssociateId=int(claims["sub"]), Associate=claims["name"], IsAdministrator=claims["admin"]
    )


async def current_principal(
    request: Request,
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    if token:
        return by_token(token.credentials)
    scheme, _ = get_authorization_scheme_param(request.headers.get("Authorization"))
    presented: HTTPBasicCredentials | None = await basic(request) if scheme.lower() == "basic" else None
    if presented is None:
        raise refusal()
    return await by_password(request.app.state.pool, presented)


Authenticated = Annotated[Principal, Depends(current_principal)]


@app.get("/api/v1/User/currentPrincipal")
async def read_principal(principal: Authenticated) -> Principal:
    return principal


@app.get("/api/v1/User/currentToken")
async def create_token(principal: Authenticated) -> str:
    claims = {
        "sub": str(principal.AssociateId), "name": principal.Associate,
        "admin": principal.IsAdministrator, "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode(claims, TOKEN_SECRET, algorithm="HS256")


@app.post("/api/v1/Agents/User/SaveCredential")
async def save_credential(body: SaveCredential, principal: Authenticated, request: Request) -> bool:
    if not principal.IsAdministrator and principal.AssociateId != body.UserId:
        raise HTTPException(403)
    credential = body.Credential
    name = credential.Type and credential.Type.Type or DEFAULT_TYPE
    encoded = await in_thread(hasher.hash, credential.Value)
    try:
        await request.app.state.pool.execute(
            "INSERT INTO credentials (user_id, type, hash, display_value) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (user_id, type) DO UPDATE SET hash = excluded.hash,"
            " display_value = excluded.display_value, updated_at = now()",
            body.UserId, name, encoded, credential.DisplayValue,
        )
    except asyncpg.ForeignKeyViolationError:
        raise HTTPException(404) from None
    return True
