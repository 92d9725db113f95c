import { assertLess } from "@std/assert";
import { ByteBudget } from "../../../lib/overload/scheduler.ts";

Deno.test("rations", async (t) => {
  await t.step(
    "let packets in between any two, however much there is to do",
    async () => {
      const rations = new ByteBudget(1);
      let given = 0;
      let isOver = false;
      const work = (async () => {
        for (; !isOver; given++) await rations.acquire(1);
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
        await rations.acquire(1);
        await socket.send(new Uint8Array(1), socket.addr);
        const before = given;
        await received;
        most = Math.max(most, given - before);
      }
      isOver = true;
      await work;
      socket.close();
      // The one that was being given, and one that was begun while it was read.
      assertLess(most, 4);
    },
  );
});
