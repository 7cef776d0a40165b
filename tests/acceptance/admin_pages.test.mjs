// Tests the pages of administrators as people use them: with a keyboard alone, on a narrow screen, in
// both themes and in every language.
//
// ACCEPTANCE_URL          the service with its base path; it must have the demo users of `dev`
// ACCEPTANCE_BROWSER      the browser; default: /usr/bin/chromium
// ACCEPTANCE_SCREENSHOTS  the folder for screenshots of every page, in both themes and three widths;
//                         default: no screenshots

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import {
  LOCALES,
  WIDTHS,
  basic,
  browserOfPages,
  shots,
  signIn,
  url,
  violations,
} from "./chromium.mjs";
import { hasFocus } from "./focus.mjs";

const inBrowser = browserOfPages();
const PAGES = [
  ["activity", "/admin/activity"],
  ["activity-instance", "/admin/activity?scope=instance"],
  ["audit", "/admin/audit"],
  ["audit-refused", "/admin/audit?user=nobody"],
  ["import", "/admin/import"],
  ["export", "/admin/export"],
  ["users", "/admin/users"],
  ["users-none", "/admin/users?name=nobody-has-this-name"],
  ["users-refused", "/admin/users?name=a%3Ab"],
  ["user", "/admin/users/278"],
  ["user-notice", "/admin/users/278?notice=user-changed"],
  ["user-new", "/admin/users/new"],
  ["user-change", "/admin/users/278/change"],
  ["user-retire", "/admin/users/278/retire"],
  ["user-reactivate", "/admin/users/278/reactivate"],
  ["user-delete", "/admin/users/278/delete"],
  ["credential-types", "/admin/users/278/credential"],
  ["credential", "/admin/users/278/credential?type=CRM5%2FPASSWORD"],
  ["credential-expire", "/admin/users/278/credential/expire?type=CRM5%2FPASSWORD"],
  ["credential-delete", "/admin/users/278/credential/delete?type=CRM5%2FPASSWORD"],
  ["credential-require-change", "/admin/users/278/credential/require-change?type=CRM5%2FPASSWORD"],
  ["password", "/admin/users/278/password"],
];

/** Sends a request of the API as the administrator. */
async function call(method, path, body) {
  const headers = { Authorization: basic, "Content-Type": "application/json" };
  const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response;
}

/** Gives the demo user a ticket, a failed attempt and an identifier to show. */
async function fillPageOfUser() {
  const wrong = { headers: { Authorization: `Basic ${btoa("demo:wrong")}` } };
  await fetch(`${url}/api/v1/User/currentPrincipal`, wrong);
  const own = { Authorization: `Basic ${btoa("demo:demo")}` };
  await fetch(`${url}/keeper/tickets`, { method: "POST", headers: own });
  await call("POST", "/api/v1/Agents/User/SaveCredential", {
    UserId: 278,
    Credential: { Type: { Type: "ActiveDirectory" }, Value: "S-1-5-21-1-2-3-1104" },
  });
}

describe("every page of administrators", () => {
  for (const theme of ["light", "dark"]) {
    test(
      `fits on narrow screens and is accessible in the ${theme} theme`,
      inBrowser({ colorScheme: theme }, async (page) => {
        await fillPageOfUser();
        await signIn(page);
        for (const [name, path] of PAGES) {
          await page.goto(`${url}${path}`);
          for (const width of WIDTHS) {
            await page.setViewportSize({ width, height: 800 });
            const content = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(content <= width, `${name} is ${content} px wide on a screen of ${width} px`);
            const file = { path: `${shots}/pages/admin-${name}-${theme}-${width}.png`, fullPage: true };
            if (shots) await page.screenshot(file);
          }
          assert.deepEqual(await violations(page), [], `${name}, ${theme}`);
        }
      }),
    );
  }

  for (const locale of LOCALES) {
    test(
      `is accessible and fits in ${locale}`,
      inBrowser({ locale, viewport: { width: 320, height: 800 } }, async (page) => {
        await signIn(page);
        for (const [name, path] of PAGES) {
          await page.goto(`${url}${path}`);
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(width <= 320, `${name} in ${locale} is ${width} px wide`);
          assert.deepEqual(await violations(page), [], `${name} in ${locale}`);
        }
      }),
    );
  }
});

describe("administrators", () => {
  test(
    "add, change, retire and delete a user with the keyboard alone",
    inBrowser({}, async (page) => {
      /** Presses Tab until an element of the page's content has the focus. */
      const tabTo = async (selector, text = "") => {
        for (let presses = 0; presses < 100; presses += 1) {
          await page.keyboard.press("Tab");
          const isThere = await page.evaluate(
            ({ selector, text }) => {
              const element = document.activeElement;
              return element.matches(selector) && element.textContent.includes(text);
            },
            { selector, text },
          );
          if (isThere) return;
        }
        assert.fail(`Tab does not reach ${selector} ${text} on ${page.url()}`);
      };
      const enter = () => Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
      const follow = async (selector, text) => {
        await tabTo(selector, text);
        await enter();
      };
      const notice = () => page.textContent("[role=status]");
      const name = `keyboard-${Date.now()}`;

      await signIn(page);
      await follow("nav a", "Users");
      await follow("main a", "Add a user");
      await tabTo("#UserName");
      await page.keyboard.type(name);
      await tabTo("#First");
      await page.keyboard.press("ArrowDown");
      await follow("main button", "Add a user");
      assert.equal(await notice(), "The user was added.");

      await follow("main a", "Save a credential");
      await follow("main a", "Password");
      await tabTo("#CredentialValue");
      await page.keyboard.type("four words of a sentence");
      await follow("main button.primary", "Save");
      assert.equal(await notice(), "The credential was saved.");

      await follow("main a", "Retire");
      await follow("main button", "Retire");
      assert.equal(await notice(), "The user was retired.");

      await follow("main a.danger", "Delete");
      await tabTo("#UserName");
      await page.keyboard.type(`${name}x`);
      await follow("main button.danger", "Delete");
      await hasFocus(page, "[role=alert]");
      // The summary leads to the field.
      await tabTo(".notice a");
      await page.keyboard.press("Enter");
      await hasFocus(page, "#UserName");
      await page.keyboard.press("End");
      await page.keyboard.press("Backspace");
      await follow("main button.danger", "Delete");
      assert.equal(await notice(), "The user was deleted.");
    }),
  );

  for (const javaScriptEnabled of [true, false]) {
    test(
      `check and import a file ${javaScriptEnabled ? "with" : "without"} scripts, and export it`,
      inBrowser({ javaScriptEnabled, acceptDownloads: true }, async (page) => {
        const name = `imported-${javaScriptEnabled}-${Date.now()}`;
        const lines = `{"login_name":"${name}"}\n{"login_name":"a:b"}\n`;
        const file = { name: "users.jsonl", mimeType: "text/plain", buffer: Buffer.from(lines) };
        await signIn(page);
        for (const [mode, status, result] of [
          ["check", "The check is complete, and nothing was changed.", "Would be added"],
          ["import", "The import is complete.", "Added"],
        ]) {
          await page.goto(`${url}/admin/import`);
          await page.selectOption("#Mode", mode);
          await page.setInputFiles("#File", file);
          await page.dblclick("main button.primary");
          // The page follows the import until it has ended.
          await page.locator("[role=status]", { hasText: status }).waitFor();
          await page.getByText(result, { exact: true }).waitFor();
          assert.equal(await page.locator("main tbody tr").count(), 1);
          if (!javaScriptEnabled) continue;
          assert.deepEqual(await violations(page), [], `${mode} in the browser`);
          await page.setViewportSize({ width: 320, height: 800 });
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(width <= 320, `${mode} is ${width} px wide`);
          await page.setViewportSize({ width: 1280, height: 800 });
        }
        await page.goto(`${url}/admin/export`);
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.click("main button.primary"),
        ]);
        assert.equal(download.suggestedFilename(), "users.jsonl");
        assert.ok(readFileSync(await download.path(), "utf8").includes(`"login_name":"${name}"`));
        await call("DELETE", `/api/v1/User/${name}`);
      }),
    );
  }

  test(
    "follow an import in place, with the focus where it was, and cancel it",
    inBrowser({}, async (page) => {
      const prefix = `follow-${Date.now()}`;
      const line = (number) =>
        JSON.stringify({ login_name: `${prefix}-${number}`, credentials: [{ value: `secret ${number}` }] });
      const lines = Array.from({ length: 3000 }, (_, number) => `${line(number)}\n`).join("");
      const file = { name: "users.jsonl", mimeType: "text/plain", buffer: Buffer.from(lines) };
      await signIn(page);
      await page.goto(`${url}/admin/import`);
      await page.selectOption("#Mode", "import");
      await page.setInputFiles("#File", file);
      await Promise.all([page.waitForEvent("load"), page.click("main button.primary")]);
      await page.evaluate(() => (globalThis.isFirst = true));
      await page.focus("main button.danger");
      const added = async () => Number(await page.textContent("#import-added"));
      const before = await added();
      await page.waitForFunction(
        (before) => Number(document.getElementById("import-added").textContent) > before,
        before,
      );
      await hasFocus(page, "main button.danger");
      await page.waitForFunction(
        () => document.getElementById("import-announced").textContent.startsWith("Progress: "),
        undefined,
        { timeout: 20_000 },
      );
      assert.equal(await page.getAttribute("#import-announced", "aria-live"), "polite");
      assert.ok(await page.evaluate(() => globalThis.isFirst), "the page was loaded again");
      assert.deepEqual(await violations(page), []);
      // The button disappears with the end, which another page brings.
      const xsrf = await page.inputValue("#XSRF_TOKEN");
      const form = { XSRF_TOKEN: xsrf, Action: "cancel" };
      await page.context().request.post(`${page.url()}/cancel`, { form });
      await page.locator("#import-status", { hasText: "The import was canceled." }).waitFor();
      await hasFocus(page, "#import-status");
      assert.equal(await page.locator("main button.danger").count(), 0);
      assert.ok(await page.evaluate(() => globalThis.isFirst), "the page was loaded again");
    }),
  );

  test(
    "see a generated password once, also with the back button",
    inBrowser({}, async (page) => {
      const name = `generated-${Date.now()}`;
      await signIn(page);
      await page.goto(`${url}/admin/users/new`);
      await page.fill("#UserName", name);
      await Promise.all([page.waitForEvent("load"), page.dblclick("main button.primary")]);
      const password = await page.textContent("#password");
      assert.ok(password.length >= 16, password);
      await Promise.all([page.waitForEvent("load"), page.click("main a.primary")]);
      // Chromium does not keep the page, and asks before it sends the form again.
      await page.goBack().catch(() => {});
      await page.waitForFunction(() => document.readyState === "complete");
      assert.ok(!(await page.content()).includes(password));
      const own = { headers: { Authorization: `Basic ${btoa(`${name}:${password}`)}` } };
      const response = await fetch(`${url}/api/v1/User/currentPrincipal`, own);
      assert.equal(response.status, 200);
      const user = await response.json();
      await call("DELETE", `/api/v1/User/${user.AssociateId ?? user.Associate ?? name}`);
    }),
  );

  test(
    "lose nothing when somebody else changes the user meanwhile",
    inBrowser({}, async (page) => {
      await signIn(page);
      await page.goto(`${url}/admin/users/278/change`);
      await page.fill("#DisplayName", "Typed <b>here</b>");
      const other = { AssociateId: 278, Tooltip: `Changed ${Date.now()}` };
      await call("POST", "/api/v1/Agents/User/SaveUser", other);
      await Promise.all([page.waitForEvent("load"), page.click("main button.primary")]);
      assert.match(await page.textContent("[role=alert]"), /The user was changed after this form was opened/);
      assert.equal(await page.inputValue("#DisplayName"), "Typed <b>here</b>");
      assert.equal(await page.textContent("#DisplayName-hint"), `Current value: ${other.Tooltip}`);
      await Promise.all([page.waitForEvent("load"), page.click("main button.primary")]);
      assert.equal(await page.textContent("h1"), "Typed <b>here</b>");
      assert.equal(await page.locator("main b").count(), 0);
      await call("POST", "/api/v1/Agents/User/SaveUser", { AssociateId: 278, Tooltip: "demo" });
    }),
  );
});
