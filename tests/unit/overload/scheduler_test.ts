import { assertLess } from "@std/assert";
import { ByteBudget } from "../../../lib/overload/scheduler.ts";

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
