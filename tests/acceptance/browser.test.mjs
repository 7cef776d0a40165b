// Tests the pages, and the vendor's client, in a real browser
// (docs/reference/wire-contract.md#cookie-sessions,
// docs/reference/wire-contract.md#requests-in-a-browser, docs/reference/wire-contract.md#d24-cors,
// docs/reference/wire-contract.md#d27-sessions).
//
// ACCEPTANCE_URL          the service with its base path; it must have the demo users of `dev` and
//                         allow the origins http://localhost:* but not http://127.0.0.1:*
// ACCEPTANCE_BROWSER      the browser; default: /usr/bin/chromium
// ACCEPTANCE_SCREENSHOTS  the folder for screenshots; default: no screenshots

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { launch } from "./chromium.mjs";

const url = process.env.ACCEPTANCE_URL.replace(/\/$/, "");
const { origin, pathname } = new URL(url);
const basePath = pathname.replace(/\/$/, "");
const administrator = { name: "tje0", password: "Tje0" };
const plainUser = { id: 278, name: "demo", password: "demo" };
const saveCredential = `${url}/api/v1/Agents/User/SaveCredential`;
const folder = fileURLToPath(new URL(".", import.meta.url));
const basic = `Basic ${btoa(`${administrator.name}:${administrator.password}`)}`;

let browser;
let client;

before(async () => {
  const bundle = await build({
    stdin: { contents: 'export { WebApi } from "@superoffice/webapi";', resolveDir: folder },
    bundle: true,
    format: "iife",
    globalName: "vendor",
    logLevel: "error",
    minify: true,
    platform: "browser",
    write: false,
  });
  client = bundle.outputFiles[0].text;
  browser = await launch(
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  );
});

after(() => browser?.close());

/** Runs a test in its own browser context, and records errors, hosts and response headers. */
function inBrowser(options, run) {
  return async () => {
    const context = await browser.newContext({ locale: "en-GB", ...options });
    context.setDefaultTimeout(10_000);
    const recorded = { errors: [], hosts: new Set(), headers: [] };
    context.on("console", (message) => {
      if (message.type() === "error") recorded.errors.push(message.text());
    });
    context.on("weberror", (error) => recorded.errors.push(String(error.error())));
    context.on("request", (request) => recorded.hosts.add(new URL(request.url()).host));
    context.on("response", (response) => recorded.headers.push(response.headers()));
    try {
      await run(context, await context.newPage(), recorded);
    } finally {
      await context.close();
    }
  };
}

async function signIn(page, user) {
  await page.goto(`${url}/login`);
  await page.fill("#UserName", user.name);
  await page.fill("#Password", user.password);
  const [response] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === "POST"),
    page.waitForEvent("load"),
    page.click("button[type=submit]"),
  ]);
  return response;
}

async function takeScreenshot(page, name) {
  const folder = process.env.ACCEPTANCE_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

async function cookie(context, name) {
  return (await context.cookies(url)).find((cookie) => cookie.name === name);
}

/** Opens a page of the service's origin that loads the vendor's client, as the CRM's pages do. */
async function openSameOriginPage(page) {
  await page.route(`${url}/default.aspx`, (route) =>
    route.fulfill({ contentType: "text/html", body: `<!doctype html><script>${client}</script>` }),
  );
  await page.goto(`${url}/default.aspx`);
}

/** Saves the plain user's password through the vendor's client in a page. */
function save(page, apiUrl, credential = {}) {
  return page.evaluate(
    async ({ apiUrl, credential, user }) => {
      const api = new vendor.WebApi(apiUrl);
      if (credential.basic)
        api.authenticateWithPassword(credential.basic.name, credential.basic.password);
      if (credential.ticket) api.authenticateWithTicket(credential.ticket);
      if (credential.token) api.authenticateWithToken(credential.token);
      try {
        const saved = {
          type: { type: "CRM5/PASSWORD" },
          value: user.password,
          displayValue: user.name,
        };
        return { answer: await api.getUserAgent().saveCredentialAsync(user.id, saved) };
      } catch (error) {
        const { status, data } = error.response ?? {};
        return { status, code: data?.Code, message: error.message };
      }
    },
    { apiUrl, credential, user: plainUser },
  );
}

/** Starts a site on another origin, whose page loads the vendor's client. */
async function startSite(host, body = "") {
  const server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><body>${body}<script>${client}</script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://${host}:${server.address().port}` };
}

/** Runs a test with a site on another origin. */
function onOtherSite(host, body, run) {
  return inBrowser({}, async (context, page, recorded) => {
    const site = await startSite(host, body);
    try {
      await run({ context, page, recorded, site });
    } finally {
      site.server.closeAllConnections();
      site.server.close();
    }
  });
}

describe("signing in", () => {
  for (const [locale, language, message] of [
    ["en-GB", "en", "The user name or password is incorrect."],
    ["nb-NO", "nb", "Feil brukernavn eller passord."],
    ["de-DE", "de", "Benutzername oder Passwort ist falsch."],
    ["fr-FR", "en", "The user name or password is incorrect."],
  ]) {
    test(
      `a wrong password is refused in the language of ${locale}`,
      inBrowser({ locale }, async (context, page) => {
        const response = await signIn(page, { ...administrator, password: "wrong" });
        assert.equal(response.status(), 401);
        assert.equal(await page.textContent("[role=alert]"), message);
        assert.equal(await page.getAttribute("html", "lang"), language);
        assert.equal(await page.inputValue("#Password"), "");
        assert.equal(await cookie(context, "ASP.NET_SessionId"), undefined);
        await takeScreenshot(page, `refused-${language}`);
      }),
    );
  }

  test(
    "the right password signs in, and signing out ends the session",
    inBrowser({}, async (context, page, recorded) => {
      const response = await page.goto(`${url}/login`);
      assertSecurityHeaders(response.headers(), "no-store");
      await takeScreenshot(page, "login");
      await signIn(page, administrator);
      assert.equal(page.url(), `${url}/account`);
      await page.goto(`${url}/login`);
      assert.match(await page.textContent("main"), /You are signed in as tje0\./);
      await takeScreenshot(page, "signed-in");

      const session = await cookie(context, "ASP.NET_SessionId");
      const xsrf = await cookie(context, "XSRF-TOKEN");
      assert.deepEqual(
        [session.httpOnly, session.sameSite, session.path],
        [true, "Lax", basePath || "/"],
      );
      assert.deepEqual([xsrf.httpOnly, xsrf.sameSite, xsrf.path], [false, "Lax", basePath || "/"]);
      assert.equal(await page.inputValue("#XSRF_TOKEN"), xsrf.value);
      const requestWithCookies = () =>
        fetch(`${url}/api/v1/User/currentPrincipal`, {
          headers: { Cookie: `${session.name}=${session.value}`, "X-XSRF-TOKEN": xsrf.value },
        });
      assert.equal((await requestWithCookies()).status, 200);

      await page.click("button[type=submit]");
      await page.waitForSelector("#UserName");
      assert.equal(await cookie(context, "ASP.NET_SessionId"), undefined);
      assert.equal(await cookie(context, "XSRF-TOKEN"), undefined);
      assert.equal((await requestWithCookies()).status, 401);
      assert.deepEqual(recorded.errors, []);
      assert.deepEqual([...recorded.hosts], [new URL(origin).host]);
    }),
  );

  test(
    "signing in works with the keyboard alone",
    inBrowser({}, async (_, page) => {
      await page.goto(`${url}/login`);
      await page.keyboard.type(administrator.name);
      await page.keyboard.press("Tab");
      await page.keyboard.type(administrator.password);
      await page.keyboard.press("Enter");
      await page.waitForSelector("#XSRF_TOKEN", { state: "attached" });
    }),
  );

  test(
    "signing out of an ended session shows the login page",
    inBrowser({}, async (_, page) => {
      await signIn(page, plainUser);
      await page.waitForSelector("#XSRF_TOKEN", { state: "attached" });
      const body = JSON.stringify({
        UserId: plainUser.id,
        Credential: { Value: plainUser.password },
      });
      const headers = { Authorization: basic, "Content-Type": "application/json" };
      const saved = await fetch(saveCredential, { method: "POST", headers, body });
      assert.equal(await saved.text(), "true");
      await page.click("button[type=submit]");
      await page.waitForSelector("#UserName");
    }),
  );

  const form = (path) => `<form method="post" action="${url}${path}"><button>Go</button>
    <input name="UserName" value="${administrator.name}">
    <input name="Password" value="${administrator.password}"></form>`;

  test(
    "a page of another site cannot sign anybody in",
    onOtherSite("localhost", form("/login"), async ({ context, page, site }) => {
      await page.goto(site.origin);
      const [response] = await Promise.all([
        page.waitForResponse(`${url}/login`),
        page.click("button"),
      ]);
      assert.equal(response.status(), 403);
      assert.equal(await cookie(context, "ASP.NET_SessionId"), undefined);
    }),
  );

  test(
    "a page of another site cannot sign anybody out",
    onOtherSite("localhost", form("/logout"), async ({ context, page, site }) => {
      await signIn(page, administrator);
      await page.waitForSelector("#XSRF_TOKEN", { state: "attached" });
      await page.goto(site.origin);
      await Promise.all([page.waitForResponse(`${url}/logout`), page.click("button")]);
      const session = await cookie(context, "ASP.NET_SessionId");
      const xsrf = await cookie(context, "XSRF-TOKEN");
      assert.ok(session && xsrf, "the browser lost its cookies");
      const headers = { Cookie: `${session.name}=${session.value}`, "X-XSRF-TOKEN": xsrf.value };
      assert.equal((await fetch(`${url}/api/v1/User/currentPrincipal`, { headers })).status, 200);
    }),
  );
});

function assertSecurityHeaders(headers, caching) {
  const policy = headers["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.match(policy, /base-uri 'none'/);
  assert.match(policy, /form-action 'self'/);
  assert.match(policy, /script-src 'self';/);
  assert.match(policy, /require-trusted-types-for 'script'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["cache-control"], caching);
}

describe("the vendor's client on the same origin", () => {
  test(
    "sends the XSRF cookie as a header",
    inBrowser({}, async (_, page, recorded) => {
      await signIn(page, administrator);
      await openSameOriginPage(page);
      const request = page.waitForRequest(saveCredential);
      assert.deepEqual(await save(page, basePath), { answer: true });
      const headers = await (await request).allHeaders();
      assert.equal(headers.authorization, undefined);
      assert.ok(headers["x-xsrf-token"]);
      assert.deepEqual(recorded.errors, []);
    }),
  );

  test(
    "takes the XSRF token from the hidden input when the cookie is missing",
    inBrowser({ bypassCSP: true }, async (context, page) => {
      await signIn(page, administrator);
      const value = await page.inputValue("#XSRF_TOKEN");
      await context.clearCookies({ name: "XSRF-TOKEN" });
      await context.addCookies([{ name: "other", value: "1", url: origin }]);
      await page.addScriptTag({ content: client });
      assert.deepEqual(await save(page, basePath), { answer: true });
      const cookies = await page.evaluate(() => document.cookie);
      assert.ok(cookies.includes(`XSRF-TOKEN=${value}`), cookies);
      assert.ok(cookies.includes("XSRF-FROM-INPUT="), cookies);
    }),
  );

  test(
    "is refused without an XSRF token",
    inBrowser({}, async (context, page) => {
      await signIn(page, administrator);
      await context.clearCookies({ name: "XSRF-TOKEN" });
      await openSameOriginPage(page);
      const { status, code } = await save(page, basePath);
      assert.deepEqual([status, code], [401, "xsrf_missing"]);
    }),
  );

  test(
    "is refused with the XSRF token of another user's session",
    inBrowser({}, async (context, page) => {
      await signIn(page, plainUser);
      const { value } = await cookie(context, "XSRF-TOKEN");
      await context.clearCookies();
      await signIn(page, administrator);
      await context.clearCookies({ name: "XSRF-TOKEN" });
      await context.addCookies([{ name: "XSRF-TOKEN", value, url: origin }]);
      await openSameOriginPage(page);
      const { status, code } = await save(page, basePath);
      assert.deepEqual([status, code], [401, "xsrf_wrong"]);
    }),
  );

  test(
    "is refused after signing out",
    inBrowser({}, async (context, page) => {
      await signIn(page, administrator);
      const cookies = await context.cookies(url);
      await page.click("button[type=submit]");
      await page.waitForSelector("#UserName");
      await context.addCookies(cookies);
      await openSameOriginPage(page);
      const { status, code } = await save(page, basePath);
      assert.deepEqual([status, code], [401, "unauthenticated"]);
    }),
  );
});

describe("the vendor's client on another origin", () => {
  const preflight = (origin) =>
    fetch(saveCredential, {
      method: "OPTIONS",
      headers: {
        Origin: origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,so-browser-tz-offset",
      },
    });

  for (const scheme of ["basic", "ticket", "token"]) {
    test(
      `can save with a ${scheme}`,
      onOtherSite("localhost", "", async ({ page, recorded, site }) => {
        const options = { headers: { Authorization: basic, Accept: "application/json" } };
        const credential = {
          basic: async () => administrator,
          ticket: async () => {
            const response = await fetch(`${url}/keeper/tickets`, { ...options, method: "POST" });
            return (await response.json()).Ticket;
          },
          token: async () => (await fetch(`${url}/api/v1/User/currentToken`, options)).json(),
        };
        await page.goto(site.origin);
        const saved = await save(page, url, { [scheme]: await credential[scheme]() });
        assert.deepEqual(saved, { answer: true });
        assert.deepEqual(recorded.errors, []);
        assert.deepEqual(
          recorded.headers.filter((headers) => "access-control-allow-credentials" in headers),
          [],
        );
      }),
    );
  }

  test(
    "can read an error on an allowed origin",
    onOtherSite("localhost", "", async ({ page, site }) => {
      await page.goto(site.origin);
      const { status, code } = await save(page, url, {
        basic: { ...administrator, password: "wrong" },
      });
      assert.deepEqual([status, code], [401, "unauthenticated"]);
    }),
  );

  test(
    "does not send the session",
    onOtherSite("localhost", "", async ({ page, site }) => {
      await signIn(page, administrator);
      await page.goto(site.origin);
      const { status, code } = await save(page, url);
      assert.deepEqual([status, code], [401, "xsrf_missing"]);
    }),
  );

  test(
    "cannot read the response on an origin that is not allowed",
    onOtherSite("127.0.0.1", "", async ({ page, recorded, site }) => {
      await page.goto(site.origin);
      const { answer, status, message } = await save(page, url, { basic: administrator });
      assert.deepEqual([answer, status, message], [undefined, undefined, "Network Error"]);
      assert.ok(
        recorded.errors.some((error) => /CORS policy/.test(error)),
        recorded.errors.join(),
      );
    }),
  );

  test("gets a preflight response without authentication", async () => {
    const response = await preflight("http://localhost:1234");
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("access-control-allow-origin"), "http://localhost:1234");
    assert.match(response.headers.get("access-control-allow-methods"), /POST/);
    assert.match(response.headers.get("access-control-allow-headers"), /so-browser-tz-offset/i);
    assert.match(response.headers.get("vary"), /Origin/i);
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
  });

  test("gets no CORS headers when the origin is not allowed", async () => {
    for (const origin of [
      "http://127.0.0.1:1234",
      "http://localhost.evil.example:1234",
      "https://localhost:1234",
      "null",
    ]) {
      const response = await preflight(origin);
      for (const name of ["origin", "methods", "headers", "credentials"]) {
        assert.equal(response.headers.get(`access-control-allow-${name}`), null, origin);
      }
    }
  });
});
