// Every method of the vendor's UserAgent about credentials, passwords, names and users, called and
// compared (protocol.md 8). Each test makes its own user, so that none is in another's way.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  administrator,
  agent,
  asAdmin,
  nobodysId,
  plain,
  refusal,
  url,
  vendor,
  withPassword,
  withToken,
} from "./support.mjs";

const { CredentialControlType, UserType, WebApi } = vendor;

let made = 0;

// A user that was saved by the client, with a password.
async function newUser(members = {}) {
  const name = `vendor-${process.pid}-${(made += 1)}`;
  const user = await agent(asAdmin).createDefaultUserAsync();
  const credential = { type: { type: "CRM5/PASSWORD" }, value: `${name}-password`, displayValue: "" };
  const saved = await agent(asAdmin).saveUserAsync({
    ...user,
    name,
    credentials: [credential],
    ...members,
  });
  return { id: saved.associateId, name, password: credential.value, saved };
}

const logsIn = ({ name }, password) =>
  agent(withPassword({ name, password }))
    .getCredentialTypesAsync()
    .then(() => true, () => false);

test("a default user is empty, of the type that was asked for, and nobody's", async () => {
  const user = await agent(asAdmin).createDefaultUserAsync();
  assert.equal(user.associateId, 0);
  assert.equal(user.type, UserType.InternalAssociate);
  assert.deepEqual(user.credentials, []);
  const system = await agent(asAdmin).createDefaultUserFromUserTypeAsync(UserType.SystemAssociate);
  assert.equal(system.type, UserType.SystemAssociate);
});

test("a user is saved with a password and read back without it", async () => {
  const user = await newUser({ tooltip: "Somebody New" });
  assert.equal(await logsIn(user, user.password), true);
  const read = await agent(asAdmin).getUserAsync(user.id);
  const { lastlogin } = read;
  assert.deepEqual(read, { ...user.saved, lastlogin });
  assert.equal(read.tooltip, "Somebody New");
  assert.equal(read.credentials[0].type.type, "CRM5/PASSWORD");
  assert.equal(read.credentials[0].value, null);
  for (const again of [
    await agent(asAdmin).getUserFromNameAsync(user.name.toUpperCase()),
    await agent(asAdmin).saveUserAsync(read),
  ]) {
    assert.deepEqual({ ...again, lastlogin }, read);
  }
  assert.equal(await agent(asAdmin).getUserAsync(nobodysId), null);
  assert.equal(await agent(asAdmin).getUserFromNameAsync("nobody at all"), null);
});

test("a user is renamed by either of the two names", async () => {
  const user = await newUser();
  const byName = await agent(asAdmin).saveUserAsync({ ...user.saved, name: `${user.name}-a` });
  assert.deepEqual([byName.name, byName.userName], [`${user.name}-a`, `${user.name}-a`]);
  const byUserName = await agent(asAdmin).saveUserAsync({ ...byName, userName: `${user.name}-b` });
  assert.deepEqual([byUserName.name, byUserName.userName], [`${user.name}-b`, `${user.name}-b`]);
  assert.equal(await logsIn({ name: byUserName.name }, user.password), true);
});

test("infos come one by one and as a list", async () => {
  const { id, name } = await newUser();
  const info = await agent(asAdmin).getUserInfoAsync(id);
  assert.deepEqual([info.userInfoId, info.userName, info.canLogon], [id, name, true]);
  assert.equal(info.userType, UserType.InternalAssociate);
  const list = await agent(asAdmin).getUserInfoListAsync([administrator.id, nobodysId, id]);
  assert.deepEqual(list.map(({ userInfoId }) => userInfoId), [administrator.id, id]);
  assert.deepEqual(list[1], info);
  assert.equal(await agent(asAdmin).getUserInfoAsync(nobodysId), null);
});

test("a user is validated before they are saved", async () => {
  const user = await agent(asAdmin).createDefaultUserAsync();
  const good = await agent(asAdmin).validateUserAsync({ ...user, name: "never saved" });
  assert.deepEqual(good, {});
  const taken = await agent(asAdmin).validateUserAsync({ ...user, name: plain.name });
  assert.deepEqual(Object.keys(taken), ["UserName"]);
  const call = agent(asAdmin).saveUserAsync({ ...user, name: plain.name });
  assert.equal((await refusal(call, 409, "ArgumentException")).Code, "login_name_taken");
});

test("a retired user does not log in until that is taken back", async () => {
  const user = await newUser();
  assert.equal(await agent(asAdmin).makeRetiredAsync(user.id, true), "");
  assert.equal(await logsIn(user, user.password), false);
  assert.equal((await agent(asAdmin).getUserAsync(user.id)).deleted, true);
  await agent(asAdmin).makeRetiredAsync(user.id, false);
  assert.equal(await logsIn(user, user.password), true);
});

test("a deleted user is gone and their name is free", async () => {
  const user = await newUser();
  assert.equal(await agent(asAdmin).deleteUserAsync(user.id), "");
  assert.equal(await logsIn(user, user.password), false);
  assert.equal(await agent(asAdmin).getUserAsync(user.id), null);
  assert.equal(await agent(asAdmin).isUserNameValidAsync(0, UserType.Unknown, 0, user.name), true);
  await refusal(agent(asAdmin).deleteUserAsync(user.id), 404, "SoNotFoundException");
});

test("a credential is deleted by its type", async () => {
  const user = await newUser();
  const directory = { type: { type: "ActiveDirectory" }, value: `S-1-${user.id}`, displayValue: "D" };
  assert.equal(await agent(asAdmin).saveCredentialAsync(user.id, directory), true);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "ActiveDirectory"), true);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "ActiveDirectory"), false);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "CRM5/PASSWORD"), true);
  assert.equal(await logsIn(user, user.password), false);
});

test("the types of a type of users are among all types", async () => {
  const all = await agent(asAdmin).getCredentialTypesAsync();
  const some = await agent(asAdmin).getCredentialTypesForUserTypeAsync(UserType.SystemAssociate);
  assert.deepEqual(some, all);
  assert.equal(some[0].valueControl, CredentialControlType.Password);
});

test("an administrator sets passwords by id and by name", async () => {
  const user = await newUser();
  assert.equal(await agent(asAdmin).setPasswordAsync(user.id, "set by id"), true);
  assert.equal(await logsIn(user, "set by id"), true);
  assert.equal(await agent(asAdmin).setPasswordFromNameAsync(user.name, "set by name"), true);
  assert.equal(await logsIn(user, "set by name"), true);
  assert.equal(await logsIn(user, "set by id"), false);
});

test("a password is changed by whoever knows it", async () => {
  const user = await newUser();
  const asUser = (password) => agent(withPassword({ name: user.name, password }));
  const first = user.password;
  assert.equal(await asUser(first).changeOwnPasswordAsync("wrong", "a"), false);
  assert.equal(await asUser(first).changeOwnPasswordAsync(first, "a"), true);
  assert.equal(await asUser("a").changePasswordAsync(user.id, "a", "b"), true);
  assert.equal(await asUser("b").changePasswordFromNameAsync(user.name, "b", "c"), true);
  assert.equal(await agent(asAdmin).changePasswordFromNameAsync(user.name, "", "d"), true);
  assert.equal(await agent(asAdmin).changePasswordAsync(user.id, "wrong", "e"), false);
  assert.equal(await logsIn(user, "d"), true);
  const call = asUser("d").changePasswordAsync(administrator.id, "x", "y");
  await refusal(call, 403, "SoIllegalOperationException");
});

test("who may change a password is told", async () => {
  const user = await newUser();
  const asUser = agent(withPassword(user));
  assert.equal(await asUser.canChangePasswordAsync(user.id), true);
  assert.equal(await asUser.canChangePasswordAsync(administrator.id), false);
  assert.deepEqual(await asUser.getSupportedChangePasswordTypesAsync(user.id), ["Password"]);
  assert.deepEqual(await asUser.getSupportedChangePasswordTypesAsync(administrator.id), []);
});

test("passwords are made up by id and by name", async () => {
  const user = await newUser();
  const byId = await agent(asAdmin).setGeneratedPasswordAsync(user.id);
  assert.equal(await logsIn(user, byId), true);
  const byName = await agent(asAdmin).setGeneratedPasswordFromNameAsync(user.name);
  assert.equal(await logsIn(user, byName), true);
  assert.equal(await logsIn(user, byId), false);
});

test("passwords and names are valid, or not for a reason", async () => {
  const english = () => agent(asAdmin, new WebApi(url, "en"));
  const type = UserType.InternalAssociate;
  assert.equal(await english().isPasswordValidAsync(plain.id, type, 0, "x"), true);
  assert.equal(await english().isPasswordValidAsync(plain.id, type, 0, ""), false);
  const password = await english().isPasswordValidWithReasonAsync(plain.id, type, 0, "");
  assert.deepEqual([password.result, password.reason], [false, "Password: must not be empty"]);
  assert.equal(await english().isUserNameValidAsync(0, type, 0, plain.name), false);
  assert.equal(await english().isUserNameValidAsync(plain.id, type, 0, plain.name), true);
  const name = await english().isUserNameValidWithReasonAsync(0, type, 0, plain.name);
  assert.deepEqual([name.result, name.reason], [false, "UserName: belongs to another user"]);
  assert.equal(await english().getValidUserNameAsync(0, type, 0, plain.name), `${plain.name}2`);
  assert.equal(await english().getValidUserNameAsync(plain.id, type, 0, plain.name), plain.name);
});

test("an access token logs in as the one who asked for it", async () => {
  const user = await newUser();
  const token = await agent(withPassword(user)).getAccessTokenAsync("", false);
  assert.match(token, /^8A:/);
  const own = await agent(withToken(token)).getUserAsync(user.id);
  assert.equal(own.name, user.name);
  const foreign = agent(withToken(token)).getUserAsync(administrator.id);
  await refusal(foreign, 403, "SoIllegalOperationException");
});
