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

const LOUD = parseIpv6("fe80::bad")!;
const MACHINE = parseIpv6("fe80::5054:ff:fe12:3456")!;

/** More than is answered in one window. */
const FLOOD = 3 * OVERLOAD_MESSAGES;

/** Whether one more message is one too many. */
function isTooMuch(
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

/** How many of so many messages that come in one window are answered. */
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
    if (!isTooMuch(loadShedder, address, at, isRelayed)) passed++;
  }
  return passed;
}

/** A flood next to a machine that has had to repeat its message for that. */
function contested(
  isRelayed = false,
): { loadShedder: LoadShedder; now: number } {
  const loadShedder = new LoadShedder();
  answered(loadShedder, LOUD, FLOOD, 0, isRelayed);
  isTooMuch(loadShedder, MACHINE, WINDOW);
  loadShedder.onRetransmission(MACHINE, WINDOW);
  return { loadShedder, now: WINDOW };
}

Deno.test("Fairness", async (t) => {
  await t.step("lets who is alone send what it likes, and repeat it", () => {
    const loadShedder = new LoadShedder();
    for (let window = 0; window < 10; window++) {
      const now = window * WINDOW;
      assertEquals(answered(loadShedder, LOUD, FLOOD, now), FLOOD);
      loadShedder.onRetransmission(LOUD, now + WINDOW - 1);
    }
  });

  await t.step(
    "lets all send what they like while none has to repeat it",
    () => {
      const loadShedder = new LoadShedder();
      for (let window = 0; window < 10; window++) {
        const now = window * WINDOW;
        isTooMuch(loadShedder, MACHINE, now);
        assertEquals(answered(loadShedder, LOUD, FLOOD, now), FLOOD);
      }
    },
  );

  await t.step(
    "does not take a repetition amid quiet for a sign of a flood",
    () => {
      const loadShedder = new LoadShedder();
      isTooMuch(loadShedder, MACHINE, 0);
      loadShedder.onRetransmission(MACHINE, 0);
      assertEquals(answered(loadShedder, LOUD, FLOOD, WINDOW), FLOOD);
    },
  );

  await t.step(
    "answers a part of what a flood asks while others suffer",
    () => {
      const { loadShedder, now } = contested();
      assertEquals(
        answered(loadShedder, LOUD, FLOOD, now),
        MAX_MESSAGES_PER_SOURCE,
      );
      assertEquals(isTooMuch(loadShedder, MACHINE, now + WINDOW - 1), false);
    },
  );

  await t.step("gives a relay the part of a lab", () => {
    const { loadShedder, now } = contested(true);
    assertEquals(
      answered(loadShedder, LOUD, FLOOD, now, true),
      MAX_MESSAGES_PER_RELAY,
    );
  });

  await t.step("limits nobody while there is time for all", () => {
    const loadShedder = new LoadShedder();
    for (let window = 0; window < 10; window++) {
      const now = window * WINDOW;
      isTooMuch(loadShedder, MACHINE, now);
      const count = OVERLOAD_MESSAGES - 1;
      assertEquals(answered(loadShedder, LOUD, count, now), count);
    }
  });

  await t.step(
    "forgets a flood when it is over, and who suffered after a while",
    () => {
      const { loadShedder, now } = contested();
      answered(loadShedder, LOUD, FLOOD, now);
      // One quiet window, and there is time for all again.
      isTooMuch(loadShedder, LOUD, now + WINDOW);
      const count = OVERLOAD_MESSAGES - 1;
      assertEquals(
        answered(loadShedder, LOUD, count, now + 3 * WINDOW),
        count,
      );
      assertEquals(answered(loadShedder, LOUD, FLOOD, now + 120_000), FLOOD);
    },
  );

  await t.step(
    "lets machines in that are taken for a loud one, with the next window",
    () => {
      const { loadShedder, now } = contested();
      const machines = Array.from({ length: 2000 }, (_, index) => {
        const address = parseIpv6("fe80::")!;
        new DataView(address.buffer).setUint32(12, 1 + index);
        return address;
      });
      const refusedIn = (window: number) => {
        const begin = now + window * WINDOW;
        answered(loadShedder, LOUD, FLOOD, begin);
        return machines.filter((address) =>
          isTooMuch(loadShedder, address, begin + WINDOW - 1)
        );
      };
      const twice = refusedIn(1).filter((address) =>
        refusedIn(2).includes(address)
      );
      assert(twice.length <= 1, `${twice.length}`);
    },
  );
});
