// A certified OpenID provider (`oidc-provider`) on loopback, driven by lines on stdin. Every token is
// issued by its own endpoints: discovery, sign-in, consent, authorization code with PKCE, token.
//
// PROVIDER_PORT  where it listens; 0 or nothing: any free port
//
// Each line on stdout is one JSON object. The first says where it is, the others answer in turn:
//
//   (ready)                           {"issuer", "jwks_uri", "client_id"}
//   token <subject> <audience> [alg]  {"access_token"}: a JWT (RFC 9068); alg is RS256 unless told
//   id_token <subject>                {"id_token"}: RS256, for the audience `client_id`
//   rotate                            {"kid"}: of the new RS256 key; the old keys are gone at once
//   down                              {"down": true}: nothing listens, and no connection is left
//   up                                {"up": true}: on the same port again
//
// What fails is answered {"error"}, and the next line is read. The end of stdin ends it.

import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

// The provider's notices go to console.info, but stdout is for answers.
console.info = console.warn;
const { default: Provider } = await import("oidc-provider");

// The algorithms that the service accepts (protocol.md 10.7).
const keyTypes = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519"],
};
const clientId = "credential-keeper-acceptance";
// Nobody goes there: the code is read from the redirect to it.
const redirectUri = "https://client.invalid/callback";
const lifetime = 10 * 60;

const server = createServer((...exchange) => handle(...exchange));
await listen(Number(process.env.PROVIDER_PORT ?? 0));
// Known only now, and part of every token.
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;
let handle;
rotate();

const metadata = await json(await request(`${issuer}/.well-known/openid-configuration`));

const commands = {
  async token(subject, audience, alg = "RS256") {
    if (!subject || !audience) throw new Error("token <subject> <audience> [alg]");
    if (!Object.hasOwn(keyTypes, alg)) throw new Error(`there is no key for "${alg}"`);
    const { access_token } = await signIn(subject, { resource: resource(audience, alg) });
    return { access_token };
  },
  async id_token(subject) {
    if (!subject) throw new Error("id_token <subject>");
    const { id_token } = await signIn(subject);
    return { id_token };
  },
  rotate,
  async down() {
    const closed = once(server, "close");
    server.close();
    // Or who kept one alive could still fetch.
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
    if (!Object.hasOwn(commands, name)) throw new Error(`there is no command "${name}"`);
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
  // Rejects when there is an error instead.
  await once(server, "listening");
}

// A provider takes its keys once, so new keys are a new provider behind the same listener.
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
        // A public client: PKCE is its proof.
        token_endpoint_auth_method: "none",
        // So ID tokens say auth_time; access tokens never do.
        require_auth_time: true,
      },
    ],
    // Whoever signs in exists.
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      // The pages where anybody signs in as whoever they say, and consents.
      devInteractions: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
    },
    ttl: {
      AccessToken: lifetime,
      AuthorizationCode: lifetime,
      Grant: lifetime,
      IdToken: lifetime,
      Interaction: lifetime,
      Session: lifetime,
    },
  });
  // Its answers do not say what went wrong.
  provider.on("server_error", (_context, error) => console.error(error));
  return provider;
}

// An access token is a JWT only when it is for a resource (RFC 8707). Resources are URIs, audiences
// need not be: so the URI says which audience the resource has, and how it wants its tokens signed.
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

// What a browser and a client do together. Each time is a new browser, so nobody is signed in yet.
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

// Goes where the provider sends it and submits the forms it is shown, until it is sent to the client.
async function authorize(url, subject) {
  const cookies = new Map();
  let body;
  while (!url.startsWith(redirectUri)) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const method = body ? "POST" : "GET";
    const page = await request(url, { method, body, headers: { cookie } });
    for (const line of page.headers.getSetCookie()) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(line);
      // The provider takes a cookie back by an empty one.
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
      if (!page.ok || !prompt) throw new Error(`${url} answered ${page.status}: ${text}`);
      url = action;
      // `login` is a field of the first form only; the second one has none, and ignores it.
      body = new URLSearchParams({ prompt, login: subject });
    }
  }
  const result = new URL(url).searchParams;
  if (!result.has("code")) throw new Error(`no code but ${result}`);
  return result.get("code");
}

// Without keep-alive: a connection from before `down` would be tried, and fail, after `up`.
function request(url, { headers, ...options } = {}) {
  return fetch(url, { ...options, headers: { ...headers, connection: "close" }, redirect: "manual" });
}

async function json(response) {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
