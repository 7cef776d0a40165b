// The vendor's client logs in as a user who moves from an old system
// (docs/how-to/move-users-at-login.md): nothing tells it so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { agent, assertRefused, plain, withPassword } from "./support.mjs";

test("the first login of a user who moves works like every other", async () => {
  const wrong = withPassword({ name: plain.name, password: "" });
  await assertRefused(agent(wrong).getCredentialTypesAsync(), 401, "SoSessionException");
  const types = await agent(withPassword(plain)).getCredentialTypesAsync();
  assert.ok(types.some((type) => type.type === "CRM5/PASSWORD"));
});
