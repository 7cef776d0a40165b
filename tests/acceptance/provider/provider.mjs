// Runs a certified OpenID provider (`oidc-provider`) on loopback, controlled by commands on stdin.
// Its own endpoints issue every token: discovery, sign-in, consent, authorization code with PKCE,
// token.
//
// PROVIDER_PORT  the port to listen on; default: 0, any free port
//
// Each line on stdout is one JSON object. The first has the addresses; the others answer the
// commands in order:
//
//   (ready)                           {"issuer", "jwks_uri", "client_id"}
//   token <subject> <audience> [alg]  {"access_token"}: a JWT (RFC 9068); default alg: RS256
//   id_token <subject>                {"id_token"}: RS256, for the audience `client_id`
//   rotate                            {"kid"}: of the new RS256 key; removes the old keys at once
//   down                              {"down": true}: stops listening and closes all connections
//   up                                {"up": true}: listens on the same port again
//
// A command that fails answers {"error"}. The process exits at the end of stdin.

import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

// The provider logs notices with console.info, but stdout is reserved for answers.
console.info = console.warn;
const { default: Provider } = await import("oidc-provider");

// The algorithms that the service accepts (docs/reference/wire-contract.md#d7-bearer).
const keyTypes = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519"],
};
const clientId = "credential-keeper-acceptance";
// Never requested: the authorization code is read from the redirect to it.
const redirectUri = "https://client.invalid/callback";
const lifetimeSeconds = 10 * 60;

const server = createServer((...exchange) => handle(...exchange));
await listen(Number(process.env.PROVIDER_PORT ?? 0));
// The port is only known now, and the issuer is part of every token.
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;
let handle;
rotate();

const metadata = await json(await request(`${issuer}/.well-known/openid-configuration`));

const commands = {
  async token(subject, audience, alg = "RS256") {
    if (!subject || !audience) throw new Error("usage: token <subject> <audience> [alg]");
    if (!Object.hasOwn(keyTypes, alg)) throw new Error(`unsupported algorithm: ${alg}`);
    const { access_token } = await signIn(subject, { resource: resource(audience, alg) });
    return { access_token };
  },
  async id_token(subject) {
    if (!subject) throw new Error("usage: id_token <subject>");
    const { id_token } = await signIn(subject);
    return { id_token };
  },
  rotate,
  async down() {
    const closed = once(server, "close");
    server.close();
    // Otherwise a kept-alive connection could still fetch keys.
    server.closeAllConnections();
    await closed;
    return { down: true };
  },
  async up() {
    await listen(port);
    return { up: true };
  },
};

answer({ issuer: metadata.issuer, jwks_uri: metadata.jwks_uri, client_id: clientId });
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...values] = line.trim().split(/\s+/);
  try {
    if (!Object.hasOwn(commands, name)) throw new Error(`unknown command: ${name}`);
    answer(await commands[name](...values));
  } catch (error) {
    answer({ error: [error.message, error.cause?.message].filter(Boolean).join(": ") });
  }
}
server.close();
server.closeAllConnections();

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function listen(port) {
  server.listen(port, "127.0.0.1");
  // Rejects if an `error` event comes first.
  await once(server, "listening");
}

// A provider's keys are fixed, so rotation creates a new provider behind the same listener.
function rotate() {
  const keys = Object.keys(keyTypes).map(newKey);
  handle = newProvider(keys).callback();
  return { kid: keys.find(({ alg }) => alg === "RS256").kid };
}

function newKey(alg) {
  const [type, options] = keyTypes[alg];
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: "jwk" }), alg, kid: randomUUID(), use: "sig" };
}

function newProvider(keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: clientId,
        redirect_uris: [redirectUri],
        // A public client, authenticated by PKCE.
        token_endpoint_auth_method: "none",
        // Adds auth_time to ID tokens; access tokens never have it.
        require_auth_time: true,
      },
    ],
    // Every subject exists.
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      // Pages for sign-in as any subject and for consent.
      devInteractions: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
    },
    ttl: {
      AccessToken: lifetimeSeconds,
      AuthorizationCode: lifetimeSeconds,
      Grant: lifetimeSeconds,
      IdToken: lifetimeSeconds,
      Interaction: lifetimeSeconds,
      Session: lifetimeSeconds,
    },
  });
  // Responses of the provider do not include the cause.
  provider.on("server_error", (_context, error) => console.error(error));
  return provider;
}

// An access token is a JWT only for a resource (RFC 8707). Resources must be URIs, audiences need not
// be, so the URI encodes the audience and the signing algorithm.
function resource(audience, alg) {
  return `urn:acceptance:${alg}:${encodeURIComponent(audience)}`;
}

function resourceServer(_context, uri) {
  const [, , alg, audience] = uri.split(":");
  return {
    audience: decodeURIComponent(audience),
    accessTokenFormat: "jwt",
    jwt: { sign: { alg } },
    scope: "",
  };
}

// Performs the browser's and the client's part of a sign-in, each time with new cookies.
async function signIn(subject, extra = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const authorization = new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    scope: "openid",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...extra,
  });
  const code = await authorize(`${metadata.authorization_endpoint}?${authorization}`, subject);
  const body = new URLSearchParams({
    client_id: clientId,
    grant_type: "authorization_code",
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
    ...extra,
  });
  return json(await request(metadata.token_endpoint, { method: "POST", body }));
}

// Follows redirects and submits the provider's forms until the redirect to the client.
async function authorize(url, subject) {
  const cookies = new Map();
  let body;
  while (!url.startsWith(redirectUri)) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const method = body ? "POST" : "GET";
    const page = await request(url, { method, body, headers: { cookie } });
    for (const line of page.headers.getSetCookie()) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(line);
      // The provider deletes a cookie by setting it to an empty value.
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const text = await page.text();
    const location = page.headers.get("location");
    if (location) {
      url = new URL(location, url).href;
      body = undefined;
    } else {
      const [, action] = /<form [^>]*action="([^"]*)"/.exec(text) ?? [];
      const [, prompt] = /name="prompt" value="(\w+)"/.exec(text) ?? [];
      if (!page.ok || !prompt) throw new Error(`${url} returned ${page.status}: ${text}`);
      url = action;
      // Only the first form has the field `login`; the second one ignores it.
      body = new URLSearchParams({ prompt, login: subject });
    }
  }
  const result = new URL(url).searchParams;
  if (!result.has("code")) throw new Error(`the redirect has no code: ${result}`);
  return result.get("code");
}

// Without keep-alive, because a connection from before `down` would fail after `up`.
function request(url, { headers, ...options } = {}) {
  return fetch(url, { ...options, headers: { ...headers, connection: "close" }, redirect: "manual" });
}

async function json(response) {
  if (!response.ok) throw new Error(`${response.url} returned ${response.status}: ${await response.text()}`);
  return response.json();
}
