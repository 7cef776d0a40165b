// Calls operations through the client that openapi-typescript generated: driver.js URL VERSION

import createClient from "openapi-fetch";
import { createInterface } from "node:readline";

import { calls, type Values } from "./calls.js";
import type { paths } from "./paths.js";

interface Caller {
  name?: string;
  password?: string;
  ticket?: string;
  session?: string;
  xsrf?: string;
}

interface Request {
  index: number;
  caller: Caller;
  values: Values;
}

function headers({ name, password, ticket, session, xsrf }: Caller): Record<string, string> {
  if (name !== undefined)
    return { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` };
  if (ticket !== undefined) return { Authorization: `SOTicket ${ticket}` };
  if (session !== undefined && xsrf !== undefined)
    return { Cookie: `ASP.NET_SessionId=${session}`, "X-XSRF-TOKEN": xsrf };
  return {};
}

async function answer(url: string, request: Request): Promise<object> {
  const call = calls[request.index];
  if (call === undefined) return { failed: `there is no call ${request.index}` };
  const client = createClient<paths>({ baseUrl: url, headers: headers(request.caller) });
  try {
    const { data, error, response } = await call(client, request.values);
    if (!response.ok) return { status: response.status, error };
    return { status: response.status, value: data ?? null };
  } catch (error) {
    return { failed: String(error) };
  }
}

const [url = "", version = ""] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify({ version })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(url, JSON.parse(line) as Request))}\n`);
}
