import { assertEquals } from "@std/assert";
import { FloodMonitor } from "../../../lib/daemon/flood_monitor.ts";
import { Log } from "../../../lib/telemetry/log.ts";

/** What is logged when two counters rise by so much. */
async function loggedAt(
  unanswered: number,
  notRemembered: number,
): Promise<string[]> {
  let text = "";
  const log = new Log("json", "info", {
    write: (bytes) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  const monitor = new FloodMonitor(log);
  monitor.check(0, 0);
  monitor.check(unanswered, notRemembered);
  await new Promise((resolve) => setTimeout(resolve));
  return text.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line).message);
}

Deno.test("the line of a flood says what it costs, and no more", async () => {
  const late = "new sources are answered only when they retransmit";
  const forgotten = "not all new machines are remembered";
  assertEquals(await loggedAt(99, 99), []);
  assertEquals(await loggedAt(100, 0), [`DHCPv6 flood: ${late}`]);
  assertEquals(await loggedAt(0, 100), [`DHCPv6 flood: ${forgotten}`]);
  assertEquals(await loggedAt(100, 100), [
    `DHCPv6 flood: ${late}, and ${forgotten}`,
  ]);
});
