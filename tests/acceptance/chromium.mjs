// Starts Chromium for the tests of the pages, and what these tests share.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

export const url = process.env.ACCEPTANCE_URL.replace(/\/$/, "");
export const shots = process.env.ACCEPTANCE_SCREENSHOTS;
export const administrator = { id: 5, name: "tje0", password: "Tje0" };
export const basic = `Basic ${btoa(`${administrator.name}:${administrator.password}`)}`;
export const LOCALES = ["da-DK", "de-DE", "en-GB", "nb-NO", "nl-NL", "sv-SE"];
export const WIDTHS = [320, 768, 1280];

const axe = readFileSync(
  fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url)),
  "utf8",
);

/** Starts the browser, without what it does by itself. */
export function launch(...more) {
  return chromium.launch({
    executablePath: process.env.ACCEPTANCE_BROWSER ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      ...more,
    ],
  });
}

/**
 * Starts the browser before the tests of a file, and closes it after them. Returns a function that
 * runs a test in its own browser context, in which no page may cause an error.
 */
export function browserOfPages() {
  let browser;
  before(async () => {
    if (shots) mkdirSync(`${shots}/pages`, { recursive: true });
    browser = await launch();
  });
  after(() => browser?.close());
  return (options, run) => async () => {
    const context = await browser.newContext({ locale: "en-GB", ...options });
    context.setDefaultTimeout(10_000);
    const errors = [];
    context.on("console", (message) => {
      // A page with a refused form has a status that Chromium reports as an error.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
        errors.push(message.text());
    });
    context.on("weberror", (error) => errors.push(String(error.error())));
    try {
      await run(await context.newPage(), context);
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
    }
  };
}

/** Signs in with the keyboard. */
export async function signIn(page, who = administrator, path = "/login") {
  await page.goto(`${url}${path}`);
  await page.fill("#UserName", who.name);
  await page.fill("#Password", who.password);
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
}

/** What axe finds on a page. */
export async function violations(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
}
