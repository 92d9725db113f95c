import { assertEquals, assertLess } from "@std/assert";
import { ByteBudget, takeSlice } from "../../../lib/overload/scheduler.ts";

Deno.test("a slice of text", async (t) => {
  /** What the slices of these pieces have, and the last one. */
  const slicesOf = (...texts: string[]) => {
    const pieces = texts.values();
    const slices: string[] = [];
    for (let count = 0; count <= texts.length; count++) {
      const { text, isLast } = takeSlice(pieces);
      slices.push(text);
      if (isLast) break;
    }
    return slices;
  };

  await t.step("has all that there is time for", () => {
    assertEquals(slicesOf("a", "", "b"), ["ab"]);
    const long = "x".repeat(65_536);
    assertEquals(slicesOf(long, "a", "b"), [long, "ab"]);
  });

  await t.step("is not empty although the process was stopped", () => {
    const { now } = performance;
    let time = 0;
    performance.now = () => time += 1000;
    try {
      assertEquals(slicesOf("a", "", "", "b"), ["a", "b", ""]);
      assertEquals(slicesOf("", ""), [""]);
    } finally {
      performance.now = now;
    }
  });
});

Deno.test("ByteBudget", async (t) => {
  await t.step(
    "lets packets in between any two amounts of work",
    async () => {
      const budget = new ByteBudget(1);
      let granted = 0;
      let isOver = false;
      const work = (async () => {
        for (; !isOver; granted++) await budget.acquire(1);
      })();
      const socket = Deno.listenDatagram({
        transport: "udp",
        hostname: "::1",
        port: 0,
      });
      let most = 0;
      for (let round = 0; round < 50; round++) {
        const received = socket.receive();
        // In the middle of it.
        await budget.acquire(1);
        await socket.send(new Uint8Array(1), socket.addr);
        const before = granted;
        await received;
        most = Math.max(most, granted - before);
      }
      isOver = true;
      await work;
      socket.close();
      // The one that was being granted, and one that was begun while it was read.
      assertLess(most, 4);
    },
  );
});
