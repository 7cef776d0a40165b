// Calls every method of the vendor's UserAgent for credentials, passwords, names and users, and
// checks the results (docs/reference/wire-contract.md#user-agent). Each test creates its own user,
// so tests are independent.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  administrator,
  agent,
  asAdmin,
  assertRefused,
  plain,
  unknownId,
  url,
  vendor,
  withPassword,
  withToken,
} from "./support.mjs";

const { CredentialControlType, ExternalUserInfoModification, UserType, WebApi } = vendor;

let createdUsers = 0;

// Saves a new user with a password through the client.
async function createUser(members = {}) {
  const name = `vendor-${process.pid}-${(createdUsers += 1)}`;
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

test("a default user is empty and has the requested type", async () => {
  const user = await agent(asAdmin).createDefaultUserAsync();
  assert.equal(user.associateId, 0);
  assert.equal(user.type, UserType.InternalAssociate);
  assert.deepEqual(user.credentials, []);
  const system = await agent(asAdmin).createDefaultUserFromUserTypeAsync(UserType.SystemAssociate);
  assert.equal(system.type, UserType.SystemAssociate);
});

test("a user is saved with a password and read back without it", async () => {
  const user = await createUser({ tooltip: "Somebody New" });
  assert.equal(await logsIn(user, user.password), true);
  const read = await agent(asAdmin).getUserAsync(user.id);
  const { lastlogin } = read;
  assert.deepEqual(read, { ...user.saved, lastlogin });
  assert.equal(read.tooltip, "Somebody New");
  assert.equal(read.credentials[0].type.type, "CRM5/PASSWORD");
  assert.equal(read.credentials[0].value, null);
  for (const sameUser of [
    await agent(asAdmin).getUserFromNameAsync(user.name.toUpperCase()),
    await agent(asAdmin).saveUserAsync(read),
  ]) {
    assert.deepEqual({ ...sameUser, lastlogin }, read);
  }
  assert.equal(await agent(asAdmin).getUserAsync(unknownId), null);
  assert.equal(await agent(asAdmin).getUserFromNameAsync("nobody at all"), null);
});

test("a user can be renamed through either name", async () => {
  const user = await createUser();
  const byName = await agent(asAdmin).saveUserAsync({ ...user.saved, name: `${user.name}-a` });
  assert.deepEqual([byName.name, byName.userName], [`${user.name}-a`, `${user.name}-a`]);
  const byUserName = await agent(asAdmin).saveUserAsync({ ...byName, userName: `${user.name}-b` });
  assert.deepEqual([byUserName.name, byUserName.userName], [`${user.name}-b`, `${user.name}-b`]);
  assert.equal(await logsIn({ name: byUserName.name }, user.password), true);
});

test("user infos are returned one by one and as a list", async () => {
  const { id, name } = await createUser();
  const info = await agent(asAdmin).getUserInfoAsync(id);
  assert.deepEqual([info.userInfoId, info.userName, info.canLogon], [id, name, true]);
  assert.equal(info.userType, UserType.InternalAssociate);
  const list = await agent(asAdmin).getUserInfoListAsync([administrator.id, unknownId, id]);
  assert.deepEqual(list.map(({ userInfoId }) => userInfoId), [administrator.id, id]);
  assert.deepEqual(list[1], info);
  assert.equal(await agent(asAdmin).getUserInfoAsync(unknownId), null);
});

test("a user can be validated without being saved", async () => {
  const user = await agent(asAdmin).createDefaultUserAsync();
  const problems = await agent(asAdmin).validateUserAsync({ ...user, name: "never saved" });
  assert.deepEqual(problems, {});
  const takenNameProblems = await agent(asAdmin).validateUserAsync({ ...user, name: plain.name });
  assert.deepEqual(Object.keys(takenNameProblems), ["Name"]);
  const call = agent(asAdmin).saveUserAsync({ ...user, name: plain.name });
  assert.equal((await assertRefused(call, 409, "ArgumentException")).Code, "login_name_taken");
});

test("a retired user cannot log in until they are reactivated", async () => {
  const user = await createUser();
  assert.equal(await agent(asAdmin).makeRetiredAsync(user.id, true), "");
  assert.equal(await logsIn(user, user.password), false);
  assert.equal((await agent(asAdmin).getUserAsync(user.id)).deleted, true);
  await agent(asAdmin).makeRetiredAsync(user.id, false);
  assert.equal(await logsIn(user, user.password), true);
});

test("a deleted user is gone and their name is free", async () => {
  const user = await createUser();
  assert.equal(await agent(asAdmin).deleteUserAsync(user.id), "");
  assert.equal(await logsIn(user, user.password), false);
  assert.equal(await agent(asAdmin).getUserAsync(user.id), null);
  assert.equal(await agent(asAdmin).isUserNameValidAsync(0, UserType.Unknown, 0, user.name), true);
  await assertRefused(agent(asAdmin).deleteUserAsync(user.id), 404, "SoNotFoundException");
});

test("a credential is deleted by its type", async () => {
  const user = await createUser();
  const directory = { type: { type: "ActiveDirectory" }, value: `S-1-${user.id}`, displayValue: "D" };
  assert.equal(await agent(asAdmin).saveCredentialAsync(user.id, directory), true);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "ActiveDirectory"), true);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "ActiveDirectory"), false);
  assert.equal(await agent(asAdmin).deleteCredentialAsync(user.id, "CRM5/PASSWORD"), true);
  assert.equal(await logsIn(user, user.password), false);
});

test("the credential types of a user type are all types", async () => {
  const all = await agent(asAdmin).getCredentialTypesAsync();
  const systemTypes = await agent(asAdmin).getCredentialTypesForUserTypeAsync(UserType.SystemAssociate);
  assert.deepEqual(systemTypes, all);
  assert.equal(systemTypes[0].valueControl, CredentialControlType.Password);
});

test("without a directory there is one group without users", async () => {
  const [group, ...more] = await agent(asAdmin).findCredentialsGroupsAsync("ActiveDirectory", "dom");
  assert.deepEqual([group.name, group.displayName, more], ["", "", []]);
  const found = await agent(asAdmin).findCredentialUsersAsync("ActiveDirectory", "ol");
  assert.deepEqual([found.headings, found.users], [[], []]);
  const inGroup = await agent(asAdmin).getCredentialUsersInGroupAsync("ActiveDirectory", group.name);
  assert.deepEqual([inGroup.headings, inGroup.users], [[], []]);
});

test("an administrator sets passwords by id and by name", async () => {
  const user = await createUser();
  assert.equal(await agent(asAdmin).setPasswordAsync(user.id, "set by id"), true);
  assert.equal(await logsIn(user, "set by id"), true);
  assert.equal(await agent(asAdmin).setPasswordFromNameAsync(user.name, "set by name"), true);
  assert.equal(await logsIn(user, "set by name"), true);
  assert.equal(await logsIn(user, "set by id"), false);
});

test("a password is changed with the current password", async () => {
  const user = await createUser();
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
  await assertRefused(call, 403, "SoIllegalOperationException");
});

test("the client reports who can change a password", async () => {
  const user = await createUser();
  const asUser = agent(withPassword(user));
  assert.equal(await asUser.canChangePasswordAsync(user.id), true);
  assert.equal(await asUser.canChangePasswordAsync(administrator.id), false);
  assert.deepEqual(await asUser.getSupportedChangePasswordTypesAsync(user.id), ["Password"]);
  assert.deepEqual(await asUser.getSupportedChangePasswordTypesAsync(administrator.id), []);
});

test("the client asks for a mail, and learns that this installation sends none", async () => {
  const user = await createUser();
  const english = agent(asAdmin, new WebApi(url, "en"));
  for (const id of [user.id, unknownId]) {
    const result = await english.sendChangePasswordEMailAsync(id);
    assert.equal(result.success, false);
    assert.match(result.message, /does not send email/);
  }
  const call = agent(withPassword(user)).sendChangePasswordEMailAsync(administrator.id);
  await assertRefused(call, 403, "SoIllegalOperationException");
});

test("passwords are generated by id and by name", async () => {
  const user = await createUser();
  const byId = await agent(asAdmin).setGeneratedPasswordAsync(user.id);
  assert.equal(await logsIn(user, byId), true);
  const byName = await agent(asAdmin).setGeneratedPasswordFromNameAsync(user.name);
  assert.equal(await logsIn(user, byName), true);
  assert.equal(await logsIn(user, byId), false);
});

test("an external user is added, changed and deleted", async () => {
  const { UserName, Password, Role, Active } = ExternalUserInfoModification;
  const name = `external-${process.pid}`;
  const id = await agent(asAdmin).createExternalUserAsync(5, name, "first password", 3, true);
  assert.equal(await logsIn({ name }, "first password"), true);
  const info = await agent(asAdmin).getUserInfoAsync(id);
  assert.deepEqual([info.userType, info.personId], [UserType.ExternalAssociate, 5]);
  const set = (flags) =>
    agent(asAdmin).setExternalUserInfoAsync(id, `${name}-b`, "second password", false, 4, flags);
  assert.equal(await set(ExternalUserInfoModification.Unknown), "");
  assert.equal(await logsIn({ name }, "first password"), true);
  await set(UserName | Password);
  assert.equal(await logsIn({ name: `${name}-b` }, "second password"), true);
  await set(Role | Active);
  assert.equal(await logsIn({ name: `${name}-b` }, "second password"), false);
  const user = await agent(asAdmin).getUserAsync(id);
  assert.deepEqual([user.userName, user.role.id, user.deleted], [`${name}-b`, 4, true]);
  const unknown = await assertRefused(set(16), 400, "ArgumentException");
  assert.equal(unknown.Field, "ExternalUserInfoModification");
  assert.equal(await agent(asAdmin).deleteExternalUserAsync(id), "");
  await assertRefused(agent(asAdmin).deleteExternalUserAsync(id), 404, "SoNotFoundException");
});

test("a password of an external user is generated", async () => {
  const name = `external-${process.pid}-generated`;
  await agent(asAdmin).createExternalUserAsync(0, name, "first password", 0, true);
  const generated = await agent(asAdmin).generateNewPasswordForExternalUserAsync(name);
  assert.equal(await logsIn({ name }, generated), true);
  assert.equal(await logsIn({ name }, "first password"), false);
  const internal = agent(asAdmin).generateNewPasswordForExternalUserAsync(plain.name);
  const refused = await assertRefused(internal, 400, "ArgumentException");
  assert.equal(refused.Field, "AssociateName");
  const call = agent(withPassword(plain)).createExternalUserAsync(0, "never", "x", 0, true);
  await assertRefused(call, 403, "SoIllegalOperationException");
});

test("validation of passwords and names returns a reason", async () => {
  const englishAgent = () => agent(asAdmin, new WebApi(url, "en"));
  const type = UserType.InternalAssociate;
  assert.equal(await englishAgent().isPasswordValidAsync(plain.id, type, 0, "x"), true);
  assert.equal(await englishAgent().isPasswordValidAsync(plain.id, type, 0, ""), false);
  const password = await englishAgent().isPasswordValidWithReasonAsync(plain.id, type, 0, "");
  assert.deepEqual([password.result, password.reason], [false, "Password: must not be empty"]);
  assert.equal(await englishAgent().isUserNameValidAsync(0, type, 0, plain.name), false);
  assert.equal(await englishAgent().isUserNameValidAsync(plain.id, type, 0, plain.name), true);
  const name = await englishAgent().isUserNameValidWithReasonAsync(0, type, 0, plain.name);
  assert.deepEqual([name.result, name.reason], [false, "UserName: belongs to another user"]);
  assert.equal(await englishAgent().getValidUserNameAsync(0, type, 0, plain.name), `${plain.name}2`);
  assert.equal(await englishAgent().getValidUserNameAsync(plain.id, type, 0, plain.name), plain.name);
});

test("an access token authenticates the user who requested it", async () => {
  const user = await createUser();
  const token = await agent(withPassword(user)).getAccessTokenAsync("", false);
  assert.match(token, /^8A:/);
  const own = await agent(withToken(token)).getUserAsync(user.id);
  assert.equal(own.name, user.name);
  const otherUser = agent(withToken(token)).getUserAsync(administrator.id);
  await assertRefused(otherUser, 403, "SoIllegalOperationException");
});

test("secrets for other systems are returned to their owner only", async () => {
  const user = await createUser();
  const owner = () => agent(withPassword(user));
  const fresh = await owner().createDefaultUntrustedCredentialsAsync();
  assert.deepEqual([fresh.isActive, fresh.secretValue], [true, null]);
  const validFrom = new Date("2026-01-02T03:04:05Z");
  const publicValue = "mail.example.org/ola";
  const credentials = { ...fresh, publicValue, secretValue: "s3cret & more", comment: "Mail", validFrom };
  assert.equal(await owner().saveUntrustedCredentialsAsync("imap", credentials), "");
  const [saved, ...more] = await owner().getUntrustedCredentialsAsync("IMAP");
  assert.deepEqual([saved.publicValue, saved.secretValue], [publicValue, "s3cret & more"]);
  assert.deepEqual([saved.comment, saved.isActive, more], ["Mail", true, []]);
  assert.equal(saved.validFrom.getTime(), validFrom.getTime());

  // An administrator sees and changes everything but the secret.
  const [seen] = await agent(asAdmin).getUntrustedCredentialsForAssociateAsync(user.id, "imap");
  assert.deepEqual({ ...seen, secretValue: saved.secretValue }, saved);
  assert.equal(seen.secretValue, null);
  seen.comment = "Checked";
  await agent(asAdmin).saveUntrustedCredentialsForAssociateAsync(user.id, "imap", seen);
  const [changed] = await owner().getUntrustedCredentialsForAssociateAsync(user.id, "imap");
  assert.deepEqual([changed.comment, changed.secretValue], ["Checked", "s3cret & more"]);
  const foreign = owner().getUntrustedCredentialsForAssociateAsync(administrator.id, "imap");
  await assertRefused(foreign, 403, "SoIllegalOperationException");

  await owner().removeUntrustedCredentialsAsync("imap", "another");
  assert.equal((await owner().getUntrustedCredentialsAsync("imap")).length, 1);
  await owner().removeUntrustedCredentialsAsync("imap", publicValue);
  assert.deepEqual(await owner().getUntrustedCredentialsAsync("imap"), []);
  await agent(asAdmin).saveUntrustedCredentialsForAssociateAsync(user.id, "imap", credentials);
  await agent(asAdmin).removeUntrustedCredentialsForAssociateAsync(user.id, "imap", publicValue);
  assert.deepEqual(await owner().getUntrustedCredentialsAsync("imap"), []);
});
