// Tests tokens of a certified third-party OpenID provider (npm `oidc-provider`): key set by URL,
// key rotation and outage (docs/reference/wire-contract.md#d7-bearer).
//
// ACCEPTANCE_BINARY  the path of the service's binary

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

/** Returns a function that reads the next line of a process's output. */
function lineReader(child) {
  const reader = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => (await reader.next()).value;
}

async function startProvider() {
  const script = fileURLToPath(new URL("provider/provider.mjs", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "ignore"] });
  const nextLine = lineReader(child);
  const { issuer, jwks_uri: keys, client_id: audience } = JSON.parse(await nextLine());
  const send = async (command) => {
    child.stdin.write(`${command}\n`);
    const answer = JSON.parse(await nextLine());
    assert.equal(answer.error, undefined, `${command}: ${answer.error}`);
    return answer;
  };
  return { child, issuer, keys, audience, send };
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
  const [ready, url] = (await lineReader(child)()).split(" ");
  assert.equal(ready, "ready");
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  return { url, stop };
}

async function save(value) {
  const response = await fetch(`${service.url}/api/v1/Agents/User/SaveCredential`, {
    method: "POST",
    headers: { Authorization: basic, "Content-Type": "application/json" },
    body: JSON.stringify({ UserId: 278, Credential: { Type: { Type: "OpenId" }, Value: value } }),
  });
  return response.text();
}

/** Requests the current principal with a token; returns the status and the relevant fields. */
async function logIn(token) {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(`${service.url}/api/v1/User/currentPrincipal`, { headers });
  const body = await response.json();
  return {
    status: response.status,
    user: body.AssociateId,
    code: body.Code,
    retryAfter: response.headers.get("retry-after"),
  };
}

const accessToken = async (algorithm, tokenSubject = subject, audience = provider.audience) =>
  (await provider.send(`token ${tokenSubject} ${audience} ${algorithm}`)).access_token;
const idToken = async () => (await provider.send(`id_token ${subject}`)).id_token;

test("access tokens and ID tokens authenticate the owner of their subject", async () => {
  for (const algorithm of algorithms) {
    assert.deepEqual(await logIn(await accessToken(algorithm)), { status: 200, user: 278, code: undefined, retryAfter: null }, algorithm);
  }
  assert.equal((await logIn(await idToken())).user, 278);
});

test("another subject, another audience and a modified token are refused", async () => {
  assert.equal((await logIn(await accessToken("ES256", "somebody-else"))).status, 401);
  assert.equal((await logIn(await accessToken("ES256", subject, "another-service"))).status, 401);
  const [header, claims, signature] = (await accessToken("RS256")).split(".");
  const modifiedClaims = JSON.parse(Buffer.from(claims, "base64url"));
  modifiedClaims.sub = "another-subject";
  assert.equal(await save("another-subject"), "true");
  const forged = Buffer.from(JSON.stringify(modifiedClaims)).toString("base64url");
  assert.equal((await logIn([header, forged, signature].join("."))).status, 401);
  assert.equal((await logIn(`${header}.${claims}.`)).status, 401);
  assert.equal(await save(subject), "true");
});

test("after a rotation new keys are accepted within a minute and old keys are refused", async () => {
  const oldToken = await accessToken("RS256");
  assert.equal((await logIn(oldToken)).status, 200);
  await provider.send("rotate");
  const newToken = await accessToken("RS256");
  const deadline = Date.now() + 75_000;
  let status;
  while ((status = (await logIn(newToken)).status) !== 200 && Date.now() < deadline) {
    assert.equal(status, 401);
    await sleep(2_000);
  }
  assert.equal(status, 200);
  assert.equal((await logIn(oldToken)).status, 401);
});

test("during an outage cached keys are accepted and missing keys answer 503", async () => {
  const token = await accessToken("EdDSA");
  assert.equal((await logIn(token)).status, 200);
  await provider.send("down");
  assert.equal((await logIn(token)).status, 200);
  await service.stop();
  service = await startService();
  const { status, code, retryAfter } = await logIn(token);
  assert.deepEqual({ status, code }, { status: 503, code: "key_unavailable" });
  assert.ok(Number(retryAfter) >= 1);
  const password = await fetch(`${service.url}/api/v1/User/currentPrincipal`, { headers: { Authorization: basic } });
  assert.equal(password.status, 200);
  await provider.send("up");
  await sleep(6_000);
  assert.equal((await logIn(token)).status, 200);
});
