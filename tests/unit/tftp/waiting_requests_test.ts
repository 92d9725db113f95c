import { assertEquals } from "@std/assert";
import {
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  MAX_WAITING_TFTP_REQUESTS,
} from "../../../lib/overload/limits.ts";
import { WaitingRequests } from "../../../lib/tftp/waiting_requests.ts";

function client(host: number, port = 1): Deno.NetAddr {
  return { transport: "udp", hostname: `fe80::${host.toString(16)}`, port };
}

Deno.test("WaitingRequests", async (t) => {
  await t.step("has them in their order, up to its limit", () => {
    const waiting = new WaitingRequests<number>();
    for (let host = 0; host < MAX_WAITING_TFTP_REQUESTS; host++) {
      assertEquals(waiting.add(client(host), host), true);
    }
    assertEquals(waiting.isFull, true);
    assertEquals(waiting.add(client(99_999), 0), false);
    for (let host = 0; host < MAX_WAITING_TFTP_REQUESTS; host++) {
      assertEquals(waiting.first!.request, host);
      waiting.shift();
      assertEquals(waiting.repeat(client(host)), false);
    }
    assertEquals([waiting.size, waiting.first], [0, undefined]);
  });

  await t.step("has those first that came again, in their order", () => {
    const waiting = new WaitingRequests<number>();
    for (let host = 0; host < 6; host++) waiting.add(client(host), host);
    for (const host of [4, 2, 4]) {
      assertEquals(waiting.repeat(client(host)), true);
    }
    assertEquals(waiting.size, 6);
    const order = [];
    while (waiting.first !== undefined) {
      order.push(waiting.first.request);
      waiting.shift();
    }
    assertEquals(order, [4, 2, 0, 1, 3, 5]);
    waiting.add(client(1), 1);
    waiting.repeat(client(1));
    waiting.clear();
    assertEquals([waiting.size, waiting.first], [0, undefined]);
  });

  await t.step("has only so many of one host", () => {
    const waiting = new WaitingRequests<number>();
    const add = (port: number) => waiting.add(client(1, port), port);
    for (let port = 1; port <= MAX_TFTP_TRANSFERS_PER_CLIENT; port++) {
      assertEquals(add(port), true);
    }
    assertEquals(add(99), false);
    waiting.shift();
    assertEquals(add(99), true);
    assertEquals(add(100), false);
    waiting.clear();
    assertEquals(add(100), true);
    assertEquals(waiting.size, 1);
  });
});
