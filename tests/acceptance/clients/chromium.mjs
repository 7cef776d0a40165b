// Calls operations through the vendor's npm client in Chromium, from a page of another origin:
// chromium.mjs URL. The service must allow the origins http://localhost:*.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import { serve } from "./lines.mjs";

const { version } = createRequire(import.meta.url)("../node_modules/@superoffice/webapi/package.json");
const [url] = process.argv.slice(2);

const bundle = await build({
  stdin: {
    contents: `
      import * as vendor from "@superoffice/webapi";
      import { call, methods } from "./vendor.mjs";
      window.methods = () => methods(vendor);
      window.call = (url, request) => call(vendor, url, request);`,
    resolveDir: fileURLToPath(new URL(".", import.meta.url)),
  },
  bundle: true,
  format: "iife",
  logLevel: "error",
  platform: "browser",
  write: false,
});

const site = createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(`<!doctype html><script>${bundle.outputFiles[0].text}</script>`);
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({
  executablePath: process.env.ACCEPTANCE_BROWSER ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
try {
  const page = await browser.newPage();
  await page.goto(`http://localhost:${site.address().port}`);
  const methods = await page.evaluate(() => window.methods());
  await serve({ version, methods }, (request) =>
    page.evaluate(([url, request]) => window.call(url, request), [url, request]),
  );
} finally {
  await browser.close();
  site.closeAllConnections();
  site.close();
}
