// Tests the pages as people use them: with a keyboard, with a screen reader's tree, without scripts,
// on a narrow screen, in both themes, and with a session that ends in the middle of a form.
//
// ACCEPTANCE_URL          the service with its base path; it must have the demo users of `dev`
// ACCEPTANCE_BROWSER      the browser; default: /usr/bin/chromium
// ACCEPTANCE_SCREENSHOTS  the folder for screenshots of every page, in both themes and three widths;
//                         default: no screenshots

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  LOCALES,
  WIDTHS,
  administrator,
  basic,
  browserOfPages,
  shots,
  signIn as signInAs,
  url,
  violations,
} from "./chromium.mjs";
import { hasFocus } from "./focus.mjs";

const user = { id: 278, name: "demo", password: "demo" };
const inBrowser = browserOfPages();

// Pages for everybody, and pages of a user who is signed in.
const PUBLIC = [
  ["login", "/login"],
  ["forgotten", "/account/forgotten"],
  ["forgotten-sent", "/account/forgotten?notice=password-mail"],
  ["not-found", "/nowhere"],
];
const PRIVATE = [
  ["account", "/account"],
  ["change-password", "/account/change-password"],
  ["events", "/account/events"],
  ["sessions", "/account/sessions"],
  ["signed-in", "/login"],
  ["notice", "/account?notice=password-changed"],
];

/** Signs in as the demo user, or another one. */
const signIn = (page, who = user, path = "/login") => signInAs(page, who, path);

/** Ends every session of a user, as an administrator does. */
async function endSessions(id) {
  const headers = { Authorization: basic };
  const response = await fetch(`${url}/keeper/users/${id}/tickets`, { method: "DELETE", headers });
  assert.equal(response.status, 204);
}

/** Requires the user to change the password (PUT), or no longer (DELETE), as an administrator does. */
async function requireChange(method) {
  const headers = { Authorization: basic, "Content-Type": "application/json" };
  const body = method === "PUT" ? "{}" : undefined;
  const path = `${url}/keeper/users/${user.id}/change-required`;
  const response = await fetch(path, { method, headers, body });
  assert.equal(await response.text(), "true");
}

/** Makes the network as slow as a bad mobile one. */
async function slowDown(context, page) {
  const session = await context.newCDPSession(page);
  const throughput = { downloadThroughput: 20_000, uploadThroughput: 10_000 };
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 400, ...throughput });
}

/** Checks a page at every width. */
async function examine(page, name, theme) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const content = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(content <= width, `${name} is ${content} px wide on a screen of ${width} px`);
    if (shots)
      await page.screenshot({ path: `${shots}/pages/${name}-${theme}-${width}.png`, fullPage: true });
  }
  assert.deepEqual(await violations(page), [], `${name}, ${theme}`);
}

describe("every page", () => {
  for (const theme of ["light", "dark"]) {
    test(
      `fits on narrow screens and is accessible in the ${theme} theme`,
      inBrowser({ colorScheme: theme }, async (page) => {
        for (const [name, path] of PUBLIC) {
          await page.goto(`${url}${path}`);
          await examine(page, name, theme);
        }
        await page.goto(`${url}/login`);
        await page.fill("#UserName", user.name);
        await page.fill("#Password", "wrong");
        await Promise.all([page.waitForEvent("load"), page.click("button.primary")]);
        await examine(page, "login-refused", theme);
        await requireChange("PUT");
        try {
          await signIn(page);
          await examine(page, "required-change", theme);
          await page.fill("#Password", user.password);
          await page.fill("#NewPassword", "a");
          await page.fill("#RepeatedPassword", "b");
          await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
          await examine(page, "required-change-refused", theme);
        } finally {
          await requireChange("DELETE");
        }
        await signIn(page);
        for (const [name, path] of PRIVATE) {
          await page.goto(`${url}${path}`);
          await examine(page, name, theme);
        }
        await page.goto(`${url}/account/change-password`);
        await page.fill("#OldPassword", "wrong");
        await page.fill("#NewPassword", "a");
        await page.fill("#RepeatedPassword", "b");
        await Promise.all([page.waitForEvent("load"), page.click("button.primary")]);
        await examine(page, "change-password-refused", theme);
        await page.goto(`${url}/account/change-password`);
        await endSessions(user.id);
        await Promise.all([
          page.waitForEvent("load"),
          page.evaluate(() => document.querySelector("main form").submit()),
        ]);
        await examine(page, "session-ended", theme);
      }),
    );
  }

  for (const locale of LOCALES) {
    test(
      `is accessible and fits in ${locale}`,
      inBrowser({ locale, viewport: { width: 320, height: 800 } }, async (page) => {
        await signIn(page);
        for (const [name, path] of PRIVATE) {
          await page.goto(`${url}${path}`);
          assert.equal(await page.getAttribute("html", "lang"), locale.slice(0, 2));
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(width <= 320, `${name} in ${locale} is ${width} px wide`);
          assert.deepEqual(await violations(page), [], `${name} in ${locale}`);
        }
      }),
    );
  }

  test(
    "loads little",
    inBrowser({}, async (page) => {
      await signIn(page);
      for (const [name, path] of PRIVATE) {
        await page.goto(`${url}${path}`);
        const loaded = await page.evaluate(() => {
          const [page] = performance.getEntriesByType("navigation");
          const parts = performance.getEntriesByType("resource");
          return { page: page.decodedBodySize, parts: parts.map((part) => part.name) };
        });
        assert.ok(loaded.page <= 50 * 1024, `${name} has ${loaded.page} bytes`);
        assert.ok(loaded.parts.length <= 3, `${name} loads ${loaded.parts}`);
        for (const part of loaded.parts) assert.ok(part.startsWith(`${url}/assets/`), part);
      }
    }),
  );

  test(
    "hardly moves while it loads on a slow network",
    inBrowser({}, async (page, context) => {
      await signIn(page);
      await slowDown(context, page);
      for (const [name, path] of PRIVATE) {
        await page.goto(`${url}${path}`);
        const moved = await page.evaluate(async () => {
          const moves = [];
          const observer = new PerformanceObserver((list) => moves.push(...list.getEntries()));
          observer.observe({ type: "layout-shift", buffered: true });
          await new Promise((resolve) => setTimeout(resolve, 200));
          return moves.reduce((sum, move) => sum + move.value, 0);
        });
        // Times become wider in the time zone of the browser; a layout shift of 0.1 is still good.
        const allowed = (await page.locator("time").count()) > 0 ? 0.05 : 0;
        assert.ok(moved <= allowed, `${name}: ${moved}`);
      }
    }),
  );
});

describe("people", () => {
  test(
    "change their password with the keyboard alone",
    inBrowser({}, async (page) => {
      const focused = () => page.evaluate(() => document.activeElement.id);
      const press = async (...keys) => {
        for (const key of keys) await page.keyboard.press(key);
      };
      await page.goto(`${url}/login`);
      await hasFocus(page, "#UserName");
      await page.keyboard.type(user.name);
      await press("Tab");
      await page.keyboard.type(user.password);
      await Promise.all([page.waitForEvent("load"), press("Enter")]);
      await press("Tab");
      await hasFocus(page, ".skip");
      await press("Enter");
      await hasFocus(page, "#main");
      await page.goto(`${url}/account/change-password`);
      while ((await focused()) !== "OldPassword") await press("Tab");
      await page.keyboard.type("wrong");
      // Behind each password is the button that shows it.
      await press("Tab", "Tab");
      await page.keyboard.type("demo");
      await press("Tab", "Tab");
      await page.keyboard.type("demo");
      await Promise.all([page.waitForEvent("load"), press("Enter")]);
      await hasFocus(page, "[role=alert]");
      await press("Tab", "Enter");
      await hasFocus(page, "#OldPassword");
      await page.keyboard.type(user.password);
      await press("Tab", "Tab");
      await page.keyboard.type("demo");
      await press("Tab", "Tab");
      await page.keyboard.type("demo");
      await Promise.all([page.waitForEvent("load"), press("Enter")]);
      assert.equal(await page.textContent("[role=status]"), "Your password was changed. All other sessions have ended.");
    }),
  );

  test(
    "need no scripts",
    inBrowser({ javaScriptEnabled: false }, async (page) => {
      await signIn(page, user, "/account/change-password");
      assert.equal(page.url(), `${url}/account/change-password`);
      await page.fill("#OldPassword", user.password);
      await page.fill("#NewPassword", "demo");
      await page.fill("#RepeatedPassword", "demo");
      await Promise.all([page.waitForEvent("load"), page.click("main button.primary")]);
      assert.match(await page.textContent("[role=status]"), /Your password was changed\./);
      await page.goto(`${url}/account/sessions`);
      await Promise.all([page.waitForEvent("load"), page.click("header button")]);
      assert.equal(page.url(), `${url}/login`);
    }),
  );

  test(
    "do not wait for the script on a slow network",
    inBrowser({}, async (page, context) => {
      await slowDown(context, page);
      // It never arrives.
      await page.route("**/assets/keeper.js", () => {});
      const soon = { waitUntil: "commit" };
      await page.goto(`${url}/login`, soon);
      await page.fill("#UserName", user.name);
      await page.fill("#Password", user.password);
      await Promise.all([page.waitForURL(`${url}/account`, soon), page.click("main button.primary")]);
      await page.goto(`${url}/account/change-password`, soon);
      await page.fill("#OldPassword", user.password);
      await page.fill("#NewPassword", "demo");
      await page.fill("#RepeatedPassword", "demo");
      await Promise.all([page.waitForURL(/notice=/, soon), page.click("main button.primary")]);
      assert.match(await page.textContent("[role=status]"), /Your password was changed\./);
    }),
  );

  test(
    "hear what a screen reader says",
    inBrowser({}, async (page) => {
      await page.goto(`${url}/login`);
      const tree = await page.locator("body").ariaSnapshot();
      for (const line of [
        '- link "Skip to content"',
        "- banner:",
        "- main:",
        '- heading "Sign in" [level=1]',
        '- textbox "User name"',
        '- textbox "Password"',
        '- button "Sign in"',
        "- contentinfo:",
      ])
        assert.ok(tree.includes(line), `${line} is not in\n${tree}`);
      await signIn(page);
      await page.goto(`${url}/account/sessions`);
      const table = await page.locator("body").ariaSnapshot();
      for (const line of [
        '- navigation "Menu":',
        '- navigation "Section":',
        '- table "Sessions":',
        '- columnheader "Signed in"',
      ])
        assert.ok(table.includes(line), `${line} is not in\n${table}`);
    }),
  );

  test(
    "return to the page when their session ends in the middle of a form",
    inBrowser({}, async (page) => {
      await signIn(page, user, "/account/change-password");
      await page.fill("#OldPassword", user.password);
      await page.fill("#NewPassword", "typed secret");
      await page.fill("#RepeatedPassword", "typed secret");
      await endSessions(user.id);
      await Promise.all([page.waitForEvent("load"), page.click("main button.primary")]);
      assert.match(await page.textContent("[role=alert]"), /Your session has ended\./);
      assert.doesNotMatch(await page.content(), /typed secret/);
      await page.fill("#UserName", user.name);
      await page.fill("#Password", user.password);
      await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
      assert.equal(page.url(), `${url}/account/change-password`);
      assert.equal(await page.inputValue("#NewPassword"), "");
    }),
  );

  test(
    "send a form once when they click twice",
    inBrowser({}, async (page, context) => {
      await signIn(page);
      await page.goto(`${url}/account/change-password`);
      let sent = 0;
      context.on("request", (request) => (sent += request.method() === "POST" ? 1 : 0));
      await page.route("**/account/change-password", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await route.continue();
      });
      await page.fill("#OldPassword", user.password);
      await page.evaluate(() => {
        for (const name of ["NewPassword", "RepeatedPassword"])
          document.getElementById(name).value = "demo";
      });
      await Promise.all([page.waitForEvent("load"), page.dblclick("main button.primary")]);
      assert.match(await page.textContent("[role=status]"), /Your password was changed\./);
      assert.equal(sent, 1);
    }),
  );

  test(
    "see nothing with the back button after signing out",
    inBrowser({}, async (page) => {
      await signIn(page);
      await Promise.all([page.waitForEvent("load"), page.click("header button")]);
      await page.goBack();
      assert.equal(await page.locator("#UserName").count(), 1);
      assert.doesNotMatch(await page.textContent("body"), /Last used/);
    }),
  );

  test(
    "read what the policy says while they type, and the service is asked seldom",
    inBrowser({}, async (page, context) => {
      await signIn(page);
      await page.goto(`${url}/account/change-password`);
      let asked = 0;
      const users = new Set();
      context.on("request", (request) => {
        if (!/WithReason/i.test(request.url())) return;
        asked += 1;
        users.add(request.postDataJSON().AssociateId);
      });
      await page.locator("#NewPassword").pressSequentially("a long password of many words", { delay: 60 });
      await page.waitForFunction(() => document.querySelector("#NewPassword-strength").textContent);
      assert.equal(
        await page.textContent("#NewPassword-strength"),
        "The password meets the requirements.",
      );
      assert.ok(asked <= 3, `asked ${asked} times`);
      const own = Number(await page.getAttribute("#NewPassword", "data-user"));
      assert.ok(own > 0);
      assert.deepEqual([...users], [own]);
      await page.click("#NewPassword + button");
      assert.equal(await page.getAttribute("#NewPassword", "type"), "text");
      await page.click("#NewPassword + button");
      assert.equal(await page.getAttribute("#NewPassword", "type"), "password");
    }),
  );

  test(
    "see markup and right-to-left names as they are",
    inBrowser({}, async (page) => {
      await page.goto(`${url}/login`);
      const name = "<b>\u05d0\u05d1</b> \"x\"";
      await page.fill("#UserName", name);
      await page.fill("#Password", "wrong");
      await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
      assert.equal(await page.inputValue("#UserName"), name);
      assert.equal(await page.locator("main b").count(), 0);
    }),
  );
});
