// Calls the methods of the vendor's UserAgent that find, change and add users by name, person and
// credential (docs/reference/wire-contract.md#user-calls). Each test uses names and ids of its own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { agent, asAdmin, assertRefused, plain, unknownId, vendor, withPassword } from "./support.mjs";

const { UserType } = vendor;

let number = 0;

// A name that no other test uses.
const newName = () => `named-${process.pid}-${(number += 1)}`;

// An id of the vendor's CRM that no other test uses.
const newId = () => process.pid * 100 + (number += 1);

async function createUser(members = {}) {
  const user = await agent(asAdmin).createDefaultUserAsync();
  return agent(asAdmin).saveUserAsync({ ...user, name: newName(), ...members });
}

test("a user is changed and deleted by name", async () => {
  const user = await createUser();
  const saved = await agent(asAdmin).saveUserFromNameAsync(user.name, { ...user, tooltip: "Somebody" });
  assert.deepEqual([saved.associateId, saved.tooltip], [user.associateId, "Somebody"]);
  const partial = { associateId: user.associateId, ejUserId: 5 };
  assert.equal((await agent(asAdmin).saveUserFromNameAsync(user.name, partial)).tooltip, "Somebody");
  assert.equal(await agent(asAdmin).deleteUserFromNameAsync(user.name), "");
  const again = agent(asAdmin).deleteUserFromNameAsync(user.name);
  await assertRefused(again, 404, "SoNotFoundException");
});

test("a change of the user type is saved", async () => {
  const user = await createUser();
  const changed = await agent(asAdmin).changeUserTypeAsync(user, UserType.SystemAssociate);
  assert.equal(changed.type, UserType.SystemAssociate);
  assert.equal((await agent(asAdmin).getUserAsync(user.associateId)).type, UserType.SystemAssociate);
  const unsaved = await agent(asAdmin).createDefaultUserAsync();
  const refused = agent(asAdmin).changeUserTypeAsync(unsaved, UserType.SystemAssociate);
  assert.equal((await assertRefused(refused, 400, "ArgumentException")).Field, "User.AssociateId");
});

test("users are found by person and by EJ user", async () => {
  const [personId, ejUserId] = [newId(), newId()];
  const first = await createUser({ person: { personId }, ejUserId });
  const second = await createUser({ person: { personId } });
  assert.equal(first.person.personId, personId);
  const ids = (users) => users.map(({ associateId }) => associateId);
  const ofPerson = await agent(asAdmin).getUserFromPersonIdAsync(personId);
  assert.deepEqual(ids(ofPerson), [first.associateId, second.associateId]);
  assert.deepEqual(ids(await agent(asAdmin).getUserFromEjUserIdAsync(ejUserId)), [first.associateId]);
  assert.deepEqual(await agent(asAdmin).getUserFromPersonIdAsync(unknownId), []);
});

test("a default user has the person", async () => {
  const person = newId();
  const user = await agent(asAdmin).createDefaultUserFromUserTypeAndPersonIdAsync(
    UserType.ExternalAssociate,
    person,
  );
  assert.deepEqual([user.associateId, user.type], [0, UserType.ExternalAssociate]);
  const saved = await agent(asAdmin).saveUserAsync({ ...user, name: newName() });
  assert.equal(saved.person.personId, person);
});

test("a default user has the credential without its value", async () => {
  const sid = `S-1-9-${newId()}`;
  const user = await agent(asAdmin).createDefaultUserFromUserTypeAndCredentialAsync(
    UserType.InternalAssociate,
    2,
    "ActiveDirectory",
    sid,
    "DOM\\kari",
  );
  const [credential] = user.credentials;
  assert.deepEqual([credential.value, credential.displayValue], [null, "DOM\\kari"]);
  const name = newName();
  await assertRefused(agent(asAdmin).saveUserAsync({ ...user, name }), 400, "ArgumentException");
  const credentials = [{ ...credential, value: sid }];
  const saved = await agent(asAdmin).saveUserAsync({ ...user, name, credentials });
  assert.equal(saved.credentials[0].type.type, "ActiveDirectory");
});

test("a user is resolved by the credential, or added with it", async () => {
  const credential = {
    type: { type: "ActiveDirectory" },
    value: `S-1-9-${newId()}`,
    displayValue: `DOM\\${newName()}`,
  };
  const resolve = () =>
    agent(asAdmin).resolveUserFromInfoAsync(
      2,
      "Ola Nord",
      ["123"],
      ["ola@example.com"],
      UserType.InternalAssociate,
      credential,
    );
  const added = await resolve();
  assert.deepEqual([added.personCreated, added.user.tooltip], [true, "Ola Nord"]);
  const found = await resolve();
  assert.deepEqual([found.personCreated, found.user], [false, added.user]);
});

test("licenses are removed without an effect", async () => {
  const user = await createUser();
  assert.equal(await agent(asAdmin).removeLicensesAsync(user.associateId), "");
  assert.deepEqual(await agent(asAdmin).getUserAsync(user.associateId), user);
});

test("names are suggested for a user who is not saved", async () => {
  const user = await agent(asAdmin).createDefaultUserAsync();
  const name = newName();
  const tooltip = name.replaceAll("-", " ").toUpperCase();
  assert.equal(await agent(asAdmin).getValidUserNameForNewUserAsync({ ...user, name }), name);
  const suggested = await agent(asAdmin).getDefaultAssociateUserNameAsync({ ...user, tooltip });
  assert.equal(suggested, name.replaceAll("-", "."));
});

test("a nickname has one owner", async () => {
  const nickName = newName();
  const user = await createUser({ nickName });
  assert.equal(user.nickName, nickName);
  const isUnique = (id, name) => agent(asAdmin).isNickNameUniqueAsync(id, name);
  assert.equal(await isUnique(0, nickName.toUpperCase()), false);
  assert.equal(await isUnique(user.associateId, nickName), true);
  assert.equal(await isUnique(0, newName()), true);
  const refused = await assertRefused(createUser({ nickName }), 409, "ArgumentException");
  assert.equal(refused.Code, "nick_name_taken");
});

test("a plain user finds and changes nobody", async () => {
  const asPlain = agent(withPassword(plain));
  for (const call of [
    () => asPlain.getUserFromPersonIdAsync(1),
    () => asPlain.saveUserFromNameAsync(plain.name, { tooltip: "Changed" }),
    () => asPlain.removeLicensesAsync(plain.id),
    () => asPlain.isNickNameUniqueAsync(plain.id, "somebody"),
  ]) {
    await assertRefused(call(), 403, "SoIllegalOperationException");
  }
});
