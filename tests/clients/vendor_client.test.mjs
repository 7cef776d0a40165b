// The vendor's own npm client against a running Credential Keeper (protocol.md 9.1, 9.4).

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  administrator,
  agent,
  asAdmin,
  asNobody,
  nobodysId,
  plain,
  refusal,
  ticket,
  token,
  url,
  vendor,
  withPassword,
  withTicket,
  withToken,
} from "./support.mjs";

const { CredentialControlType, ETableRight, ResourceParsing, UserAgent, WebApi } = vendor;

function password(value) {
  return { type: { type: "CRM5/PASSWORD" }, value, displayValue: plain.name };
}

async function restorePlain() {
  assert.equal(await agent(asAdmin).saveCredentialAsync(plain.id, password(plain.password)), true);
}

function logsIn(secret) {
  return agent(withPassword({ name: plain.name, password: secret })).getCredentialTypesAsync();
}

async function passwordType(agent, options) {
  const types = await agent.getCredentialTypesAsync(options);
  return types.find(({ type }) => type === "CRM5/PASSWORD").displayType;
}

const signIns = {
  "a password": asAdmin,
  "a ticket": withTicket(ticket),
  "a token": withToken(token),
  "a ticket as the user name and a blank password": withPassword({ name: ticket, password: "" }),
};
for (const [name, signIn] of Object.entries(signIns)) {
  test(`${name} lets the client save a credential`, async (t) => {
    t.after(restorePlain);
    const saved = await agent(signIn).saveCredentialAsync(plain.id, password("another one"));
    assert.equal(saved, true);
    await logsIn("another one");
  });
}

test("the user and the credential may come as one request object", async (t) => {
  t.after(restorePlain);
  const request = { userId: plain.id, credential: password("in an object") };
  assert.equal(await agent(asAdmin).saveCredentialAsync(request), true);
  await logsIn("in an object");
});

test("a credential type goes back as the client read it", async (t) => {
  t.after(restorePlain);
  const types = await agent(asAdmin).getCredentialTypesAsync();
  const type = types.find(({ type }) => type === "CRM5/PASSWORD");
  const credential = { type, value: "of a type that was read", displayValue: "" };
  assert.equal(await agent(asAdmin).saveCredentialAsync(plain.id, credential), true);
  await logsIn(credential.value);
});

test("the saved password logs in and the one it replaced does not", async (t) => {
  t.after(restorePlain);
  await logsIn(plain.password);
  const saved = await agent(asAdmin).saveCredentialAsync(plain.id, password("the new one"));
  assert.equal(saved, true);
  await logsIn("the new one");
  const { Code } = await refusal(logsIn(plain.password), 401, "SoSessionException");
  assert.equal(Code, "unauthenticated");
});

test("a password with a colon and characters outside ASCII is saved and logs in", async (t) => {
  t.after(restorePlain);
  assert.equal(await agent(asAdmin).saveCredentialAsync(plain.id, password("pw:æ🦀")), true);
  await logsIn("pw:æ🦀");
});

test("a plain user saves their own password with the current one", async (t) => {
  t.after(restorePlain);
  const saved = agent(withPassword(plain)).saveCredentialAsync(plain.id, password("my own"));
  assert.equal(await saved, true);
  await logsIn("my own");
});

test("a plain user cannot save for another user", async () => {
  const call = agent(withPassword(plain)).saveCredentialAsync(administrator.id, password("stolen"));
  await refusal(call, 403, "SoIllegalOperationException");
});

test("a user that does not exist is not found", async () => {
  const call = agent(asAdmin).saveCredentialAsync(nobodysId, password("for nobody"));
  await refusal(call, 404, "SoNotFoundException");
});

test("an empty value is refused by name", async () => {
  const call = agent(asAdmin).saveCredentialAsync(plain.id, password(""));
  const { Field } = await refusal(call, 400, "ArgumentException");
  assert.equal(Field, "Credential.Value");
});

test("a ticket that was never issued is refused", async () => {
  const guid = "00000000-0000-4000-8000-000000000000";
  const forged = "7T:" + Buffer.from(`${guid};${administrator.id}`, "utf16le").toString("base64");
  const call = agent(withTicket(forged)).saveCredentialAsync(plain.id, password("stolen"));
  await refusal(call, 401, "SoSessionException");
});

test("a client without credentials is told of the missing header", async () => {
  const call = agent(asNobody).saveCredentialAsync(plain.id, password("stolen"));
  const { Code, Message } = await refusal(call, 401, "ArgumentException");
  assert.equal(Code, "xsrf_missing");
  assert.match(Message, /X-XSRF-TOKEN/);
});

test("an application token is ignored onsite", async () => {
  const withApplication = (signIn) => (api) => (api.applicationToken("any"), signIn(api));
  for (const signIn of Object.values(signIns)) {
    await agent(withApplication(signIn)).getCredentialTypesAsync();
  }
});

test("the credential types come as carriers that the client reads", async () => {
  const types = await agent(asAdmin, new WebApi(url, "en")).getCredentialTypesAsync();
  const byName = Object.fromEntries(types.map((carrier) => [carrier.type, carrier]));
  const password = byName["CRM5/PASSWORD"];
  assert.equal(password.displayType, "Password");
  assert.equal(password.valueControl, CredentialControlType.Password);
  assert.equal(password.isUserNameSupported, true);
  const directory = byName.ActiveDirectory;
  assert.equal(directory.displayType, "Active Directory");
  assert.equal(directory.valueControl, CredentialControlType.Link);
  for (const { tableRight } of types) {
    assert.deepEqual(tableRight, { mask: ETableRight.Select, reason: "" });
  }
});

const texts = {
  en: ["Password", /user/],
  nb: ["Passord", /bruker/],
  no: ["Passord", /bruker/],
  de: ["Passwort", /Benutzer/],
  "de-AT": ["Passwort", /Benutzer/],
};
for (const [language, [displayType, message]] of Object.entries(texts)) {
  test(`an instance that asks for ${language} gets it`, async () => {
    const asking = agent(asAdmin, new WebApi(url, language));
    assert.equal(await passwordType(asking), displayType);
    const call = asking.saveCredentialAsync(nobodysId, password("for nobody"));
    assert.match((await refusal(call, 404, "SoNotFoundException")).Message, message);
  });

  test(`a request that asks for ${language} gets it, whatever its instance asks for`, async () => {
    const options = { languageCode: language };
    const asking = agent(asAdmin, new WebApi(url, language === "en" ? "de" : "en"));
    assert.equal(await passwordType(asking, options), displayType);
    const plainly = asking.saveCredentialAsync(nobodysId, password("for nobody"), options);
    assert.match((await refusal(plainly, 404, "SoNotFoundException")).Message, message);
    const request = { userId: nobodysId, credential: password("for nobody") };
    const asObject = asking.saveCredentialAsync(request, options);
    assert.match((await refusal(asObject, 404, "SoNotFoundException")).Message, message);
  });
}

const germanManager = { getCurrentLangCode: () => "de", getCurrentFormatCode: () => "de-DE" };
const accepting = (language) => ({ headers: { "Accept-Language": language } });
const waysToAsk = {
  "the options object": () => new WebApi({ baseUrl: url, languageCode: "de" }),
  "the last of two languages": () => new WebApi(url, "en-US", "de"),
  "a resource manager": () => new WebApi(url, germanManager),
  "a header of the HTTP configuration": () => new WebApi(url, accepting("de")),
  "a language that overrides that header": () => new WebApi(url, accepting("nb"), "de"),
};
for (const [way, api] of Object.entries(waysToAsk)) {
  test(`the language may be asked for with ${way}`, async () => {
    assert.equal(await passwordType(agent(asAdmin, api())), "Passwort");
  });
}

test("an agent that the global configuration made asks in its language", async () => {
  const { name: username, password } = administrator;
  WebApi.configure(url, { auth: { username, password } }, "de");
  assert.equal(await passwordType(new UserAgent()), "Passwort");
});

test("texts are raw when the client asks for no language", async () => {
  assert.equal(await passwordType(agent(asAdmin)), "[SR_CREDENTIAL_TYPE_PASSWORD]");
});

test("texts are raw when the agent does not parse resources", async () => {
  const silent = agent(asAdmin, new WebApi(url, "de"), ResourceParsing.DoNotParse);
  assert.equal(await passwordType(silent), "[SR_CREDENTIAL_TYPE_PASSWORD]");
});

for (const off of ["", "*", "x"]) {
  test(`texts are raw when a request's language is "${off}"`, async () => {
    const text = await passwordType(agent(asAdmin, new WebApi(url, "de")), { languageCode: off });
    assert.equal(text, "[SR_CREDENTIAL_TYPE_PASSWORD]");
  });
}

test("a time zone does not disturb an answer without dates", async () => {
  const options = { timezone: "US-NY", timezoneInclude: true, languageCode: "en" };
  assert.equal(await passwordType(agent(asAdmin), options), "Password");
});
