// Helpers for the tests of the vendor's client: users, sign-in and assertions.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Loaded with `require`: Node rejects the package's ES modules, which import each other without
// file extensions.
export const vendor = createRequire(import.meta.url)("@superoffice/webapi");
const { WebApi } = vendor;

export const url = required("KEEPER_URL").replace(/\/$/, "");
export const administrator = user("KEEPER_ADMINISTRATOR");
export const plain = user("KEEPER_PLAIN");
export const unknownId = 2_147_483_647;

export const ticket =
  process.env.KEEPER_TICKET || (await requestAsAdministrator("POST", "/keeper/tickets")).Ticket;
export const token = await requestAsAdministrator("GET", "/api/v1/User/currentToken");

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

// Parses `name:password`; only the first colon separates.
function user(variable) {
  const [, name, password] = /^([^:]*):(.*)$/s.exec(required(variable));
  return { id: Number(required(`${variable}_ID`)), name, password };
}

// Sends a request that the vendor's client has no method for.
async function requestAsAdministrator(method, path) {
  const pair = Buffer.from(`${administrator.name}:${administrator.password}`).toString("base64");
  const response = await fetch(url + path, { method, headers: { Authorization: `Basic ${pair}` } });
  assert.ok(response.ok, `${path} returned ${response.status}`);
  return response.json();
}

export const withPassword = ({ name, password }) => (api) => api.authenticateWithPassword(name, password);
export const withTicket = (value) => (api) => api.authenticateWithTicket(value);
export const withToken = (value) => (api) => api.authenticateWithToken(value);
export const asAdmin = withPassword(administrator);
export const asAnonymous = () => {};

// The client stores the credentials in a global that the next `new WebApi` replaces, so the agent,
// which copies them, is created immediately.
export function agent(signIn, api = new WebApi(url), parsing = undefined) {
  signIn(api);
  return api.getUserAgent(parsing);
}

// Asserts the error envelope of docs/reference/wire-contract.md#d1-error-object and returns it.
export async function assertRefused(call, status, errorType) {
  const { response } = await call.then(
    (value) => assert.fail(`resolved to ${JSON.stringify(value)}`),
    (error) => (error.response ? error : Promise.reject(error)),
  );
  const { data } = response;
  const members = ["Code", "Error", "ErrorSource", "ErrorType", "Field", "Message", "RequestId"];
  assert.deepEqual(Object.keys(data).sort(), members);
  assert.equal(data.Error, true);
  assert.equal(data.ErrorSource, "CredentialKeeper");
  assert.equal(data.RequestId, response.headers["x-request-id"]);
  assert.deepEqual([response.status, data.ErrorType], [status, errorType], data.Message);
  return data;
}
