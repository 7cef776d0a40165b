// The protocol of the clients: one line of JSON for each request and for each answer.

import { createInterface } from "node:readline";

// Introduces the client, then answers requests one after another.
export async function serve(introduction, answer) {
  process.stdout.write(`${JSON.stringify(introduction)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const result = await answer(JSON.parse(line));
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
