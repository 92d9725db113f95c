/** The kernel's notifications of changes of real interfaces. */

import { assertEquals } from "@std/assert";
import { Lab, missing } from "../../support/lab.ts";
import { labProgram } from "../abuse/switch.ts";

const ignore = missing("tests of changes of interfaces", "ip").length > 0;

const ADDRESS = "2001:db8:1::1/64 dev lan";

/** Commands of `ip`, and whether they change an interface. */
const COMMANDS = [
  ["addr show dev lan", false],
  [`addr add ${ADDRESS} nodad`, true],
  [`addr change ${ADDRESS} preferred_lft 0`, true],
  [`addr del ${ADDRESS}`, true],
  ["addr add 192.0.2.1/24 dev lan", true],
  ["link set lan down", true],
  ["link set lan address 02:00:5e:00:53:07", true],
  ["link set lan mtu 1400", true],
  ["link set lan up", true],
  ["link property add dev lan altname other", true],
  ["link add br0 type bridge", true],
  ["link set lan master br0", true],
  ["link set lan nomaster", true],
  ["link set lan down", true],
  ["link set lan name wan", true],
  ["neigh add 2001:db8:1::2 lladdr 02:00:5e:00:53:08 dev wan", false],
  ["link del wan", true],
] as const;

Deno.test({
  name: "changes of interfaces",
  ignore,
  fn: async () => {
    await using lab = new Lab();
    const { router } = await lab.pair();
    await router.linkLocal("lan");
    const { stdout } = await router.run(
      labProgram("interface_changes.ts", ...COMMANDS.map(([words]) => words)),
    );
    assertEquals(
      stdout.trim().split("\n").map((told, index) =>
        `${COMMANDS[index]![0]}: ${told}`
      ),
      COMMANDS.map(([words, isTold]) => `${words}: ${isTold}`),
    );
  },
});
