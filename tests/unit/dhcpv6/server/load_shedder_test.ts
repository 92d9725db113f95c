import { assert, assertEquals } from "@std/assert";
import {
  LoadShedder,
  WINDOW,
} from "../../../../lib/dhcpv6/server/load_shedder.ts";
import {
  MAX_MESSAGES_PER_RELAY,
  MAX_MESSAGES_PER_SOURCE,
  OVERLOAD_MESSAGES,
} from "../../../../lib/overload/limits.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";

const FLOODER = parseIpv6("fe80::bad")!;
const CLIENT = parseIpv6("fe80::5054:ff:fe12:3456")!;

/** More messages than the daemon answers in one window. */
const FLOOD = 3 * OVERLOAD_MESSAGES;

/** Whether the next message is dropped. */
function isDropped(
  loadShedder: LoadShedder,
  address: Uint8Array,
  now: number,
  isRelayed = false,
): boolean {
  return loadShedder.shouldDrop(
    loadShedder.count(address, now),
    isRelayed,
    now,
  );
}

/** Sends `count` messages in one window; returns how many are answered. */
function answered(
  loadShedder: LoadShedder,
  address: Uint8Array,
  count: number,
  now: number,
  isRelayed = false,
): number {
  let passed = 0;
  for (let index = 0; index < count; index++) {
    const at = now + WINDOW * index / count;
    if (!isDropped(loadShedder, address, at, isRelayed)) passed++;
  }
  return passed;
}

/** A flood, and a client that has retransmitted because of it. */
function overloaded(
  isRelayed = false,
): { loadShedder: LoadShedder; now: number } {
  const loadShedder = new LoadShedder();
  answered(loadShedder, FLOODER, FLOOD, 0, isRelayed);
  isDropped(loadShedder, CLIENT, WINDOW);
  loadShedder.onRetransmission(CLIENT, WINDOW);
  return { loadShedder, now: WINDOW };
}

Deno.test("LoadShedder", async (t) => {
  await t.step("does not limit a flood without other clients", () => {
    const loadShedder = new LoadShedder();
    for (let window = 0; window < 10; window++) {
      const now = window * WINDOW;
      assertEquals(answered(loadShedder, FLOODER, FLOOD, now), FLOOD);
      loadShedder.onRetransmission(FLOODER, now + WINDOW - 1);
    }
  });

  await t.step(
    "does not limit a flood while no client retransmits",
    () => {
      const loadShedder = new LoadShedder();
      for (let window = 0; window < 10; window++) {
        const now = window * WINDOW;
        isDropped(loadShedder, CLIENT, now);
        assertEquals(answered(loadShedder, FLOODER, FLOOD, now), FLOOD);
      }
    },
  );

  await t.step(
    "ignores a retransmission without overload",
    () => {
      const loadShedder = new LoadShedder();
      isDropped(loadShedder, CLIENT, 0);
      loadShedder.onRetransmission(CLIENT, 0);
      assertEquals(answered(loadShedder, FLOODER, FLOOD, WINDOW), FLOOD);
    },
  );

  await t.step(
    "limits a flood while other clients retransmit",
    () => {
      const { loadShedder, now } = overloaded();
      assertEquals(
        answered(loadShedder, FLOODER, FLOOD, now),
        MAX_MESSAGES_PER_SOURCE,
      );
      assertEquals(isDropped(loadShedder, CLIENT, now + WINDOW - 1), false);
    },
  );

  await t.step("limits a relay to the messages of a whole lab", () => {
    const { loadShedder, now } = overloaded(true);
    assertEquals(
      answered(loadShedder, FLOODER, FLOOD, now, true),
      MAX_MESSAGES_PER_RELAY,
    );
  });

  await t.step("limits no source below the overload threshold", () => {
    const loadShedder = new LoadShedder();
    for (let window = 0; window < 10; window++) {
      const now = window * WINDOW;
      isDropped(loadShedder, CLIENT, now);
      const count = OVERLOAD_MESSAGES - 1;
      assertEquals(answered(loadShedder, FLOODER, count, now), count);
    }
  });

  await t.step(
    "ends the limit after the flood, and the overload signal after a minute",
    () => {
      const { loadShedder, now } = overloaded();
      answered(loadShedder, FLOODER, FLOOD, now);
      // One window below the threshold ends the overload.
      isDropped(loadShedder, FLOODER, now + WINDOW);
      const count = OVERLOAD_MESSAGES - 1;
      assertEquals(
        answered(loadShedder, FLOODER, count, now + 3 * WINDOW),
        count,
      );
      assertEquals(answered(loadShedder, FLOODER, FLOOD, now + 120_000), FLOOD);
    },
  );

  await t.step(
    "drops a client that shares a counter with a flood for one window only",
    () => {
      const { loadShedder, now } = overloaded();
      const clients = Array.from({ length: 2000 }, (_, index) => {
        const address = parseIpv6("fe80::")!;
        new DataView(address.buffer).setUint32(12, 1 + index);
        return address;
      });
      const droppedIn = (window: number) => {
        const begin = now + window * WINDOW;
        answered(loadShedder, FLOODER, FLOOD, begin);
        return clients.filter((address) =>
          isDropped(loadShedder, address, begin + WINDOW - 1)
        );
      };
      const twice = droppedIn(1).filter((address) =>
        droppedIn(2).includes(address)
      );
      assert(twice.length <= 1, `${twice.length}`);
    },
  );
});
