// A certified OpenID provider that is not ours (npm `oidc-provider`) in front of the service: its
// key set by URL, its rotation, and its absence (protocol.md 10.7).
//
// ACCEPTANCE_BINARY  the service's binary

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const subject = "subject-4711";
const algorithms = ["RS256", "ES256", "EdDSA"];
const folder = mkdtempSync(join(tmpdir(), "provider-"));
const basic = `Basic ${btoa("tje0:Tje0")}`;

let provider;
let service;

before(async () => {
  provider = await startProvider();
  service = await startService();
  assert.equal(await save(subject), "true");
});

after(async () => {
  await service?.stop();
  provider?.child.stdin.end();
  rmSync(folder, { recursive: true, force: true });
});

/** Lines of a process's output, one at a time. */
function lines(child) {
  const reader = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => (await reader.next()).value;
}

async function startProvider() {
  const script = fileURLToPath(new URL("provider/provider.mjs", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "ignore"] });
  const next = lines(child);
  const { issuer, jwks_uri: keys, client_id: audience } = JSON.parse(await next());
  const ask = async (command) => {
    child.stdin.write(`${command}\n`);
    const answer = JSON.parse(await next());
    assert.equal(answer.error, undefined, `${command}: ${answer.error}`);
    return answer;
  };
  return { child, issuer, keys, audience, ask };
}

async function startService() {
  const settings = join(folder, "settings.toml");
  writeFileSync(
    settings,
    `[credentials]
     additional_types = [{ name = "OpenId", kind = "identifier" }]
     [authentication]
     issuers = [{ issuer = "${provider.issuer}", audience = "${provider.audience}", jwks_url = "${provider.keys}", credential_type = "OpenId" }]
    `,
  );
  const child = spawn(
    process.env.ACCEPTANCE_BINARY,
    ["dev", "--data", join(folder, "data"), "--listen", "127.0.0.1:0"],
    { env: { ...process.env, KEEPER_CONFIG: settings, KEEPER__LOG__FORMAT: "json" }, stdio: ["ignore", "pipe", "ignore"] },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const [ready, url] = (await lines(child)()).split(" ");
  assert.equal(ready, "ready");
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  return { url, stop };
}

async function save(value) {
  const answer = await fetch(`${service.url}/api/v1/Agents/User/SaveCredential`, {
    method: "POST",
    headers: { Authorization: basic, "Content-Type": "application/json" },
    body: JSON.stringify({ UserId: 278, Credential: { Type: { Type: "OpenId" }, Value: value } }),
  });
  return answer.text();
}

/** The status for a token, and who it is. */
async function login(token) {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${service.url}/api/v1/User/currentPrincipal`, { headers });
  const body = await answer.json();
  return { status: answer.status, user: body.AssociateId, code: body.Code, retry: answer.headers.get("retry-after") };
}

const accessToken = async (algorithm, of = subject, audience = provider.audience) =>
  (await provider.ask(`token ${of} ${audience} ${algorithm}`)).access_token;
const idToken = async (of = subject) => (await provider.ask(`id_token ${of}`)).id_token;

test("access tokens of every algorithm, and ID tokens, are the owner of their subject", async () => {
  for (const algorithm of algorithms) {
    assert.deepEqual(await login(await accessToken(algorithm)), { status: 200, user: 278, code: undefined, retry: null }, algorithm);
  }
  assert.equal((await login(await idToken())).user, 278);
});

test("another subject, another audience and a changed token are nobody", async () => {
  assert.equal((await login(await accessToken("ES256", "somebody-else"))).status, 401);
  assert.equal((await login(await accessToken("ES256", subject, "another-service"))).status, 401);
  const [header, claims, signature] = (await accessToken("RS256")).split(".");
  const changed = JSON.parse(Buffer.from(claims, "base64url"));
  changed.sub = "another-subject";
  assert.equal(await save("another-subject"), "true");
  const forged = Buffer.from(JSON.stringify(changed)).toString("base64url");
  assert.equal((await login([header, forged, signature].join("."))).status, 401);
  assert.equal((await login(`${header}.${claims}.`)).status, 401);
  assert.equal(await save(subject), "true");
});

test("keys rotate: new ones count within a minute, and then the old ones do not", async () => {
  const old = await accessToken("RS256");
  assert.equal((await login(old)).status, 200);
  await provider.ask("rotate");
  const fresh = await accessToken("RS256");
  const deadline = Date.now() + 75_000;
  let status;
  while ((status = (await login(fresh)).status) !== 200 && Date.now() < deadline) {
    assert.equal(status, 401);
    await sleep(2_000);
  }
  assert.equal(status, 200);
  assert.equal((await login(old)).status, 401);
});

test("a provider that is down lets in whom it let in before, and is told from a wrong token", async () => {
  const token = await accessToken("EdDSA");
  assert.equal((await login(token)).status, 200);
  await provider.ask("down");
  assert.equal((await login(token)).status, 200);
  await service.stop();
  service = await startService();
  const { status, code, retry } = await login(token);
  assert.deepEqual({ status, code }, { status: 503, code: "key_unavailable" });
  assert.ok(Number(retry) >= 1);
  const password = await fetch(`${service.url}/api/v1/User/currentPrincipal`, { headers: { Authorization: basic } });
  assert.equal(password.status, 200);
  await provider.ask("up");
  await sleep(6_000);
  assert.equal((await login(token)).status, 200);
});
