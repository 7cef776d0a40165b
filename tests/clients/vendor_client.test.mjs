// Runs the vendor's own npm client against a running Credential Keeper
// (docs/reference/wire-contract.md#typescript-client,
// docs/reference/wire-contract.md#responses-in-the-client).

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  administrator,
  agent,
  asAdmin,
  asAnonymous,
  assertRefused,
  plain,
  ticket,
  token,
  unknownId,
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
  test(`the client can save a credential with ${name}`, async (t) => {
    t.after(restorePlain);
    const saved = await agent(signIn).saveCredentialAsync(plain.id, password("another one"));
    assert.equal(saved, true);
    await logsIn("another one");
  });
}

test("the user and the credential can be passed as one request object", async (t) => {
  t.after(restorePlain);
  const request = { userId: plain.id, credential: password("in an object") };
  assert.equal(await agent(asAdmin).saveCredentialAsync(request), true);
  await logsIn("in an object");
});

test("a credential type can be saved as the client read it", async (t) => {
  t.after(restorePlain);
  const types = await agent(asAdmin).getCredentialTypesAsync();
  const type = types.find(({ type }) => type === "CRM5/PASSWORD");
  const credential = { type, value: "of a type as read", displayValue: "" };
  assert.equal(await agent(asAdmin).saveCredentialAsync(plain.id, credential), true);
  await logsIn(credential.value);
});

test("the saved password logs in and the replaced one does not", async (t) => {
  t.after(restorePlain);
  await logsIn(plain.password);
  const saved = await agent(asAdmin).saveCredentialAsync(plain.id, password("the new one"));
  assert.equal(saved, true);
  await logsIn("the new one");
  const { Code } = await assertRefused(logsIn(plain.password), 401, "SoSessionException");
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
  await assertRefused(call, 403, "SoIllegalOperationException");
});

test("an unknown user is not found", async () => {
  const call = agent(asAdmin).saveCredentialAsync(unknownId, password("for nobody"));
  await assertRefused(call, 404, "SoNotFoundException");
});

test("an empty value is refused with the name of the field", async () => {
  const call = agent(asAdmin).saveCredentialAsync(plain.id, password(""));
  const { Field } = await assertRefused(call, 400, "ArgumentException");
  assert.equal(Field, "Credential.Value");
});

test("a ticket that was never issued is refused", async () => {
  const guid = "00000000-0000-4000-8000-000000000000";
  const forged = "7T:" + Buffer.from(`${guid};${administrator.id}`, "utf16le").toString("base64");
  const call = agent(withTicket(forged)).saveCredentialAsync(plain.id, password("stolen"));
  await assertRefused(call, 401, "SoSessionException");
});

test("a client without credentials gets an error that names the missing header", async () => {
  const call = agent(asAnonymous).saveCredentialAsync(plain.id, password("stolen"));
  const { Code, Message } = await assertRefused(call, 401, "ArgumentException");
  assert.equal(Code, "xsrf_missing");
  assert.match(Message, /X-XSRF-TOKEN/);
});

test("an application token is ignored onsite", async () => {
  const withApplication = (signIn) => (api) => (api.applicationToken("any"), signIn(api));
  for (const signIn of Object.values(signIns)) {
    await agent(withApplication(signIn)).getCredentialTypesAsync();
  }
});

test("the client can read the credential types", async () => {
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

const textsByLanguage = {
  en: ["Password", /user/],
  nb: ["Passord", /bruker/],
  no: ["Passord", /bruker/],
  de: ["Passwort", /Benutzer/],
  "de-AT": ["Passwort", /Benutzer/],
};
for (const [language, [displayType, message]] of Object.entries(textsByLanguage)) {
  test(`an instance that requests ${language} gets it`, async () => {
    const userAgent = agent(asAdmin, new WebApi(url, language));
    assert.equal(await passwordType(userAgent), displayType);
    const call = userAgent.saveCredentialAsync(unknownId, password("for nobody"));
    assert.match((await assertRefused(call, 404, "SoNotFoundException")).Message, message);
  });

  test(`a request for ${language} overrides the language of its instance`, async () => {
    const options = { languageCode: language };
    const userAgent = agent(asAdmin, new WebApi(url, language === "en" ? "de" : "en"));
    assert.equal(await passwordType(userAgent, options), displayType);
    const withArguments = userAgent.saveCredentialAsync(unknownId, password("for nobody"), options);
    assert.match((await assertRefused(withArguments, 404, "SoNotFoundException")).Message, message);
    const request = { userId: unknownId, credential: password("for nobody") };
    const withObject = userAgent.saveCredentialAsync(request, options);
    assert.match((await assertRefused(withObject, 404, "SoNotFoundException")).Message, message);
  });
}

const germanManager = { getCurrentLangCode: () => "de", getCurrentFormatCode: () => "de-DE" };
const acceptLanguage = (language) => ({ headers: { "Accept-Language": language } });
const languageSources = {
  "the options object": () => new WebApi({ baseUrl: url, languageCode: "de" }),
  "the last of two languages": () => new WebApi(url, "en-US", "de"),
  "a resource manager": () => new WebApi(url, germanManager),
  "a header of the HTTP configuration": () => new WebApi(url, acceptLanguage("de")),
  "a language that overrides that header": () => new WebApi(url, acceptLanguage("nb"), "de"),
};
for (const [source, createApi] of Object.entries(languageSources)) {
  test(`the language can be set with ${source}`, async () => {
    assert.equal(await passwordType(agent(asAdmin, createApi())), "Passwort");
  });
}

test("an agent from the global configuration uses its language", async () => {
  const { name: username, password } = administrator;
  WebApi.configure(url, { auth: { username, password } }, "de");
  assert.equal(await passwordType(new UserAgent()), "Passwort");
});

test("texts are raw keys when the client requests no language", async () => {
  assert.equal(await passwordType(agent(asAdmin)), "[SR_CREDENTIAL_TYPE_PASSWORD]");
});

test("texts are raw keys when the agent does not parse resources", async () => {
  const rawAgent = agent(asAdmin, new WebApi(url, "de"), ResourceParsing.DoNotParse);
  assert.equal(await passwordType(rawAgent), "[SR_CREDENTIAL_TYPE_PASSWORD]");
});

for (const value of ["", "*", "x"]) {
  test(`texts are raw keys when a request's language is "${value}"`, async () => {
    const text = await passwordType(agent(asAdmin, new WebApi(url, "de")), { languageCode: value });
    assert.equal(text, "[SR_CREDENTIAL_TYPE_PASSWORD]");
  });
}

test("a time zone does not affect a response without dates", async () => {
  const options = { timezone: "US-NY", timezoneInclude: true, languageCode: "en" };
  assert.equal(await passwordType(agent(asAdmin), options), "Password");
});
