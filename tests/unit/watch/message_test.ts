import { assertEquals, assertThrows } from "@std/assert";
import { readMessage, transferOf } from "../../../lib/watch/message.ts";
import {
  ADDRESS,
  event,
  MAC,
  machine,
  transfer,
} from "../../support/watch_samples.ts";

const INIT = event("init", 0);
const KEPT = { mac: MAC, address: ADDRESS, events: [INIT] };

function read(value: unknown) {
  return readMessage(JSON.stringify(value));
}

Deno.test("messages", async (t) => {
  await t.step("are a state of many machines", () => {
    assertEquals(read({ [MAC]: machine(MAC, ADDRESS, INIT) }), {
      kind: "state",
      machines: [KEPT],
    });
    assertEquals(read({}), { kind: "state", machines: [] });
  });

  await t.step("are a state of one machine, or of none", () => {
    assertEquals(read(machine(MAC, ADDRESS, INIT)), {
      kind: "state",
      machines: [KEPT],
    });
    assertEquals(read(null), { kind: "state", machines: [] });
  });

  await t.step("are an event, with all that is in it", () => {
    const more = { ...INIT, later: 1 };
    assertEquals(read({ mac: MAC, ipv6_address: ADDRESS, event: more }), {
      kind: "event",
      mac: MAC,
      address: ADDRESS,
      event: more,
    });
  });

  await t.step("omit values that are no machine and no event", () => {
    const odd = {
      a: 1,
      b: null,
      c: { Mac: MAC },
      [MAC]: { ...machine(MAC, ADDRESS), Events: [1, null, {}, INIT] },
    };
    assertEquals(read(odd), { kind: "state", machines: [KEPT] });
    for (
      const value of [
        1,
        "text",
        [],
        { event: INIT },
        { mac: MAC, ipv6_address: ADDRESS, event: "init" },
        {
          mac: MAC,
          ipv6_address: ADDRESS,
          event: { ...INIT, timestamp: "yesterday" },
        },
      ]
    ) {
      assertEquals(read(value), undefined, JSON.stringify(value));
    }
    assertThrows(() => readMessage("<html>"), SyntaxError);
  });

  await t.step("contain transfers", () => {
    const detail = transfer("sending", 1);
    assertEquals(transferOf(event("http_fetch_uki", 0, detail)), detail);
    assertEquals(transferOf(INIT), undefined);
    assertEquals(
      transferOf(event("http_fetch_uki", 0, { state: "init" })),
      undefined,
    );
  });
});
