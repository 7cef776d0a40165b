// Calls operations through the vendor's npm client, on Node and in a browser.

const AGENT = "/api/v1/Agents/User/";

// The methods of the vendor's user agent.
export function methods({ UserAgent }) {
  const names = Object.getOwnPropertyNames(UserAgent.prototype);
  return names.filter((name) => /^[A-Za-z].*Async$/.test(name)).sort();
}

// The vendor's type definitions have members in camelCase.
function inCamelCase(value) {
  if (Array.isArray(value)) return value.map(inCamelCase);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).map(([name, member]) => [
    name[0].toLowerCase() + name.slice(1),
    inCamelCase(member),
  ]);
  return Object.fromEntries(members);
}

function authenticate(api, caller) {
  if (caller.name) api.authenticateWithPassword(caller.name, caller.password);
  if (caller.ticket) api.authenticateWithTicket(caller.ticket);
}

export async function call(vendor, url, request) {
  if (request.method !== "post" || !request.path.startsWith(AGENT))
    return { lacks: "The npm client has only the calls of the user agent." };
  const name = request.path.slice(AGENT.length);
  const api = new vendor.WebApi(url);
  authenticate(api, request.caller);
  const agent = api.getUserAgent();
  const method = agent[`${name[0].toLowerCase()}${name.slice(1)}Async`];
  if (!method) return { lacks: "The npm client has no method for the call." };
  const body = inCamelCase(request.body);
  const inputs = [...Object.values(request.query), ...(body === null ? [] : [body])];
  try {
    // The client hands over an empty text when the response has no body.
    const value = await method.apply(agent, inputs);
    return { value: value === "" || value === undefined ? null : value };
  } catch (error) {
    if (!error.response) return { failed: String(error) };
    return { status: error.response.status, error: error.response.data };
  }
}
