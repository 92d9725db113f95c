/**
 * A program that says whether the kernel reports a change of an interface. Runs
 * inside a namespace.
 *
 * Usage: `interface_changes.ts COMMAND...` runs each `ip COMMAND` and writes
 * `true` or `false` for it.
 *
 * @module
 */

import { InterfaceChanges } from "../../lib/net/interface_changes.ts";

using changes = InterfaceChanges.open()!;
for (const command of Deno.args) {
  const args = command.split(" ");
  const { success } = new Deno.Command("ip", { args }).outputSync();
  if (!success) throw new Error(command);
  console.log(changes.haveCome());
}
