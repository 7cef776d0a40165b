// What the tests of the vendor's client share: who signs in, and how answers are looked at.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Not `import`: the package's ES modules name each other without extensions, which Node refuses.
export const vendor = createRequire(import.meta.url)("@superoffice/webapi");
const { WebApi } = vendor;

export const url = required("KEEPER_URL").replace(/\/$/, "");
export const administrator = user("KEEPER_ADMINISTRATOR");
export const plain = user("KEEPER_PLAIN");
export const nobodysId = 2_147_483_647;

export const ticket =
  process.env.KEEPER_TICKET || (await asAdministrator("POST", "/keeper/tickets")).Ticket;
export const token = await asAdministrator("GET", "/api/v1/User/currentToken");

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

// `name:password`; only the first colon separates.
function user(variable) {
  const [, name, password] = /^([^:]*):(.*)$/s.exec(required(variable));
  return { id: Number(required(`${variable}_ID`)), name, password };
}

// What the vendor's client has no call for.
async function asAdministrator(method, path) {
  const pair = Buffer.from(`${administrator.name}:${administrator.password}`).toString("base64");
  const answer = await fetch(url + path, { method, headers: { Authorization: `Basic ${pair}` } });
  assert.ok(answer.ok, `${path} answered ${answer.status}`);
  return answer.json();
}

export const withPassword = ({ name, password }) => (api) => api.authenticateWithPassword(name, password);
export const withTicket = (value) => (api) => api.authenticateWithTicket(value);
export const withToken = (value) => (api) => api.authenticateWithToken(value);
export const asAdmin = withPassword(administrator);
export const asNobody = () => {};

// The client keeps who signed in in a global that the next `new WebApi` replaces: so the agent,
// which has its own copy, is taken at once.
export function agent(signIn, api = new WebApi(url), parsing = undefined) {
  signIn(api);
  return api.getUserAgent(parsing);
}

// Checks the envelope of protocol.md 10.1 and returns it.
export async function refusal(call, status, errorType) {
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
