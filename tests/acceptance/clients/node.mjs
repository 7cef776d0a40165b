// Calls operations through the vendor's npm client on Node: node.mjs URL

import { createRequire } from "node:module";

import { serve } from "./lines.mjs";
import { call, methods } from "./vendor.mjs";

// Loaded with `require`: Node rejects the package's ES modules, which import each other without
// file extensions.
const require = createRequire(import.meta.url);
const vendor = require("@superoffice/webapi");
const { version } = require("../node_modules/@superoffice/webapi/package.json");
const [url] = process.argv.slice(2);

await serve({ version, methods: methods(vendor) }, (request) => call(vendor, url, request));
