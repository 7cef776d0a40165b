// Tests the API documentation in a real browser: search, copy and "try it", with the keyboard, without
// JavaScript, on narrow screens, and for accessibility (docs/adr/0066-api-documentation.md).
//
// ACCEPTANCE_URL          the service with its base path; it must have the demo users of `dev`
// ACCEPTANCE_BROWSER      the browser; default: /usr/bin/chromium
// ACCEPTANCE_SCREENSHOTS  the folder for screenshots; default: no screenshots

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

import { launch } from "./chromium.mjs";
import { hasFocus } from "./focus.mjs";

const url = process.env.ACCEPTANCE_URL.replace(/\/$/, "");
const { origin, pathname } = new URL(url);
const basePath = pathname.replace(/\/$/, "");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const save = "post.Agents.User.SaveCredential";
const themes = ["light", "dark"];
/** A page of each kind. */
const kinds = {
  index: "/docs",
  operation: `/docs/${save}`,
  read: "/docs/get.User",
  soap: "/docs/post.Remote.Services88.SoPrincipal.svc",
  schema: "/docs/schemas/User",
  errors: "/docs/errors",
  unknown: "/docs/nothing",
};

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Runs a test in its own browser context, and records errors, hosts and requests. */
function inBrowser(options, run) {
  return async () => {
    const context = await browser.newContext({ locale: "en-GB", ...options });
    context.setDefaultTimeout(10_000);
    const recorded = { errors: [], hosts: new Set(), requests: [] };
    context.on("console", (message) => {
      if (message.type() === "error") recorded.errors.push(message.text());
    });
    context.on("weberror", (error) => recorded.errors.push(String(error.error())));
    context.on("request", (request) => {
      recorded.hosts.add(new URL(request.url()).host);
      recorded.requests.push(`${request.method()} ${new URL(request.url()).pathname}`);
    });
    try {
      await run(context, await context.newPage(), recorded);
    } finally {
      await context.close();
    }
  };
}

async function signIn(page) {
  await page.goto(`${url}/login`);
  await page.fill("#UserName", "tje0");
  await page.fill("#Password", "Tje0");
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
}

async function takeScreenshot(page, name) {
  const folder = process.env.ACCEPTANCE_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

/** The violations that axe-core finds. */
async function violations(page) {
  // The browser evaluates this apart from the page's policy, which stays as it is.
  await page.evaluate(axe);
  const result = await page.evaluate(() => axe.run());
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
}

function visibleLines(page) {
  return page.evaluate(
    () => [...document.querySelectorAll("section li")].filter((line) => line.offsetParent).length,
  );
}

/** Sends the form of the page, and returns what it shows. */
async function send(page) {
  await page.click("#try-form button[type=submit]");
  await page.waitForSelector("#try-result:not([hidden])");
  const text = (id) => page.textContent(`#${id}`);
  return {
    status: await text("try-status"),
    headers: await text("try-headers"),
    answer: await text("try-answer"),
  };
}

describe("the pages of the documentation", () => {
  test(
    "are styled, load nothing else, and have only valid links",
    inBrowser({}, async (_, page, recorded) => {
      const response = await page.goto(`${url}/docs`);
      const headers = response.headers();
      const policy = headers["content-security-policy"];
      assert.match(policy, /^default-src 'none'; style-src 'self'; script-src 'self';/);
      assert.doesNotMatch(policy, /unsafe|https?:|\*/);
      assert.equal(headers["cache-control"], "no-cache");
      const content = await page.evaluate(() => {
        const all = (selector) => [...document.querySelectorAll(selector)];
        const attributes = all("*").flatMap((element) => element.getAttributeNames());
        return {
          rules: [...document.styleSheets].map((sheet) => sheet.cssRules.length),
          scripts: [...document.scripts].map((script) => new URL(script.src).pathname),
          inline: attributes.filter((name) => /^on|^style$/.test(name)),
          links: all("a").map((link) => link.href),
        };
      });
      assert.equal(content.rules.length, 2);
      assert.ok(content.rules.every((rules) => rules > 0));
      assert.deepEqual(content.scripts, [`${basePath}/assets/docs.js`]);
      assert.deepEqual(content.inline, []);
      const links = new Set(content.links.map((link) => link.split("#")[0]));
      assert.ok(links.size > 150, `only ${links.size} links`);
      for (const link of links) assert.equal((await fetch(link)).status, 200, link);
      assert.deepEqual(recorded.errors, []);
      assert.deepEqual([...recorded.hosts], [new URL(origin).host]);
    }),
  );

  test(
    "open at the anchors of earlier releases",
    inBrowser({}, async (_, page) => {
      for (const anchor of [save, "get.Agents.User.GetUser", "Credential", "errors"]) {
        await page.goto("about:blank");
        await page.goto(`${url}/docs#${anchor}`);
        assert.ok(await page.locator(`[id="${anchor}"]`).isVisible(), anchor);
      }
    }),
  );

  for (const colorScheme of themes) {
    for (const width of [320, 768, 1280]) {
      test(
        `are accessible and fit into ${width} px in the ${colorScheme} theme`,
        inBrowser({ colorScheme, viewport: { width, height: 800 } }, async (_, page) => {
          for (const [kind, path] of Object.entries(kinds)) {
            await page.goto(`${url}${path}`);
            const scrolled = await page.evaluate(
              () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
            );
            assert.ok(scrolled <= 0, `${kind} is ${scrolled} px too wide`);
            await page.evaluate(() =>
              document.querySelectorAll("details").forEach((details) => (details.open = true)),
            );
            assert.deepEqual(await violations(page), [], kind);
            await takeScreenshot(page, `docs-${kind}-${colorScheme}-${width}`);
          }
        }),
      );
    }
  }

  test(
    "are complete without JavaScript",
    inBrowser({ javaScriptEnabled: false }, async (_, page) => {
      await page.goto(`${url}/docs`);
      assert.ok(await page.locator("#search-form").isHidden());
      await page.click(`a[href$="/docs/${save}"]`);
      assert.match(await page.textContent("h1"), /SaveCredential/);
      for (const text of ["Sending a request from this page requires JavaScript", "SOTicket $TICKET"])
        assert.ok(await page.getByText(text).first().isVisible(), text);
      assert.ok(await page.locator("#try-form").isHidden());
      const member = page.locator("#body ~ .members .members code").first();
      assert.ok(await member.isHidden());
      await page.locator("#body ~ .members summary").first().click();
      assert.ok(await member.isVisible());
    }),
  );
});

describe("the search", () => {
  test(
    "finds operations and schemas with the keyboard",
    inBrowser({}, async (_, page, recorded) => {
      await page.goto(`${url}/docs`);
      const all = await visibleLines(page);
      await page.focus("#search");
      await page.keyboard.type("saves CREDENTIAL post");
      const found = await visibleLines(page);
      assert.ok(found < all, `${found} of ${all}`);
      assert.match(await page.textContent("#search-result"), /^\d+ of \d+ found$/);
      await page.fill("#search", "savecredentialrequest");
      assert.equal(await visibleLines(page), 1);
      await page.fill("#search", "no such call");
      assert.equal(await visibleLines(page), 0);
      assert.match(await page.textContent("#search-result"), /^0 of/);
      await page.fill("#search", "get.agents.user.getuserinfolist");
      assert.equal(await visibleLines(page), 1);
      await page.fill("#search", "");
      assert.equal(await visibleLines(page), all);
      await page.fill("#search", "agents.user.savecredential");
      await page.focus("#search");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => location.hash !== ""), true);
      assert.deepEqual(recorded.errors, []);
    }),
  );
});

describe("the button of a line", () => {
  test(
    "copies the line as it is",
    inBrowser({}, async (_, page, recorded) => {
      await page.goto(`${url}/docs/${save}`);
      const block = page.locator("#curl ~ .code").nth(1);
      const line = await block.locator("code").textContent();
      await block.locator("button").focus();
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Copied" }).waitFor();
      await page.fill("#try-body", "");
      await page.focus("#try-body");
      await page.keyboard.press("Control+V");
      assert.equal(await page.inputValue("#try-body"), line);
      assert.match(line, new RegExp(`"\\$KEEPER${basePath}/api/v1/Agents/User/SaveCredential"$`));
      assert.deepEqual(recorded.errors, []);
    }),
  );

  test(
    "copies the address of this service",
    inBrowser({}, async (_, page) => {
      await page.goto(`${url}/docs`);
      const start = await page.textContent("#call ~ .code code");
      assert.equal(start.split("\n")[0], `KEEPER=${origin}`);
    }),
  );

  test(
    "selects the line where the clipboard is not available",
    inBrowser({}, async (context, page) => {
      await context.addInitScript(() =>
        Object.defineProperty(navigator, "clipboard", { value: undefined }),
      );
      await page.goto(`${url}/docs/${save}`);
      const block = page.locator("#curl ~ .code").first();
      await block.locator("button").click();
      const selected = await page.evaluate(() => String(getSelection()));
      assert.equal(selected, await block.locator("code").textContent());
    }),
  );
});

describe("try it", () => {
  test(
    "asks to sign in without a session",
    inBrowser({}, async (_, page) => {
      await page.goto(`${url}/docs/${save}`);
      const link = page.locator("#try-session a");
      assert.match(await page.textContent("#try-session"), /not signed in/);
      assert.equal(await link.getAttribute("href"), `${basePath}/login?next=/docs/${save}`);
      assert.ok(await page.locator("#try-form button[type=submit]").isDisabled());
      // The version of the API needs no session.
      await page.goto(`${url}/docs/get.api.v1`);
      assert.ok(await page.locator("#try-session").isHidden());
      assert.match((await send(page)).status, /^200/);
    }),
  );

  test(
    "leads to the login page and back",
    inBrowser({}, async (_, page) => {
      await page.goto(`${url}/docs/${save}`);
      await page.click("#try-session a");
      await page.fill("#UserName", "tje0");
      await page.fill("#Password", "Tje0");
      await Promise.all([page.waitForURL(`${url}/docs/${save}`), page.keyboard.press("Enter")]);
      assert.ok(await page.locator("#try-session").isHidden());
      assert.ok(await page.locator("#try-form button[type=submit]").isEnabled());
    }),
  );

  test(
    "sends the request with the session and shows the response",
    inBrowser({}, async (context, page, recorded) => {
      await signIn(page);
      await page.goto(`${url}/docs/get.User.user`);
      await page.fill('input[name="user"]', "tje0");
      await page.fill('input[name="$select"]', "Name");
      const sent = page.waitForRequest((request) => request.url().includes("/api/v1/User/tje0"));
      const shown = await send(page);
      const headers = await (await sent).allHeaders();
      assert.ok(headers["x-xsrf-token"]);
      assert.equal(headers.authorization, undefined);
      assert.match(shown.status, /^200 .*\(\d+ ms\)$/);
      assert.match(shown.headers, /^content-type: application\/json/m);
      assert.equal(JSON.parse(shown.answer).Name, "tje0");
      await hasFocus(page, "#try-result");
      assert.deepEqual(await violations(page), []);
      await takeScreenshot(page, "docs-try-it");
      const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length]);
      assert.deepEqual(kept, [0, 0]);
      assert.deepEqual(recorded.errors, []);
      assert.deepEqual([...recorded.hosts], [new URL(origin).host]);
    }),
  );

  test(
    "shows a response with markup as text",
    inBrowser({}, async (_, page, recorded) => {
      await signIn(page);
      await page.goto(
        `${url}/docs/post.Agents.User.CreateDefaultUserFromUserTypeAndCredential`,
      );
      const markup = "<img src=x onerror=alert(1)><b>kari</b>";
      const body = JSON.parse(await page.inputValue("#try-body"));
      await page.fill("#try-body", JSON.stringify({ ...body, CredentialDisplayValue: markup }));
      const { status, answer } = await send(page);
      assert.match(status, /^200/);
      assert.ok(answer.includes(markup), answer);
      assert.equal(await page.locator("#try-result code *").count(), 0);
      assert.deepEqual(recorded.errors, []);
    }),
  );

  test(
    "shows an error of the API",
    inBrowser({}, async (_, page) => {
      await signIn(page);
      await page.goto(`${url}/docs/post.Agents.User.GetUserFromName`);
      await page.fill("#try-body", "{");
      const { status, answer } = await send(page);
      assert.match(status, /^400/);
      assert.equal(JSON.parse(answer).Code, "malformed_body");
    }),
  );

  test(
    "asks before a call that changes something",
    inBrowser({}, async (_, page, recorded) => {
      await signIn(page);
      await page.goto(`${url}/docs/post.Agents.User.DeleteUser`);
      await page.fill('input[name="userId"]', "2147483647");
      const questions = [];
      const call = "POST /api/v1/Agents/User/DeleteUser".replace(" ", ` ${basePath}`);
      let accepts = false;
      page.on("dialog", (dialog) => {
        questions.push(dialog.message());
        return accepts ? dialog.accept() : dialog.dismiss();
      });
      await page.click("#try-form button[type=submit]");
      assert.ok(await page.locator("#try-result").isHidden());
      assert.ok(!recorded.requests.includes(call), recorded.requests.join());
      accepts = true;
      assert.match((await send(page)).status, /^404/);
      assert.ok(recorded.requests.includes(call), recorded.requests.join());
      assert.equal(questions.length, 2);
      assert.match(questions[0], /^POST .*DeleteUser\?userId=2147483647\n\n.*change or delete/);
    }),
  );

  test(
    "says when the session has ended",
    inBrowser({}, async (context, page) => {
      await signIn(page);
      await page.goto(`${url}/docs/get.User.currentPrincipal`);
      const cookies = await context.cookies(url);
      const value = (name) => cookies.find((cookie) => cookie.name === name).value;
      await fetch(`${url}/logout`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Cookie: `ASP.NET_SessionId=${value("ASP.NET_SessionId")}`,
          "X-XSRF-TOKEN": value("XSRF-TOKEN"),
        },
        body: "{}",
      });
      const { status } = await send(page);
      assert.match(status, /^401/);
      assert.match(await page.textContent("#try-session"), /may have ended/);
      assert.ok(await page.locator("#try-session a").isVisible());
    }),
  );

  test(
    "shows when there is no response",
    inBrowser({}, async (_, page) => {
      await signIn(page);
      await page.goto(`${url}/docs/get.User.currentPrincipal`);
      await page.route("**/currentPrincipal", (route) => route.abort());
      assert.equal((await send(page)).status, "No response");
      assert.ok(await page.locator("#try-form button[type=submit]").isEnabled());
    }),
  );
});
