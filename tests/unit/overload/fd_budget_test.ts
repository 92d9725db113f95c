import { assert, assertEquals } from "@std/assert";
import { fdSharesOf } from "../../../lib/overload/fd_budget.ts";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_IDLE_CONNECTIONS,
  MAX_TFTP_TRANSFERS,
} from "../../../lib/overload/limits.ts";

Deno.test("fdSharesOf", async (t) => {
  await t.step("never shares out more than the limit", () => {
    for (let limit = 256; limit <= 65_536; limit += 97) {
      const { idleConnections, tftp, responses, ...readers } = fdSharesOf(
        limit,
      );
      assert(
        64 + 1.25 * idleConnections + tftp + responses <= limit,
        `${limit}`,
      );
      assert(0 < readers.eventReadersPerClient);
      assert(readers.eventReadersPerClient < readers.eventReaders);
      assert(2 * readers.eventReaders <= responses);
    }
  });

  await t.step("of 64 leaves some for each use", () => {
    assertEquals(fdSharesOf(64), {
      idleConnections: 16,
      tftp: 8,
      responses: 4,
      eventReaders: 2,
      eventReadersPerClient: 2,
    });
  });

  await t.step("of 1,024 leaves some for each use", () => {
    assertEquals(fdSharesOf(1024), {
      idleConnections: 256,
      tftp: 128,
      responses: 512,
      eventReaders: 256,
      eventReadersPerClient: 192,
    });
  });

  await t.step("without a limit is limited by each use", () => {
    assertEquals(fdSharesOf(Infinity), {
      idleConnections: MAX_IDLE_CONNECTIONS,
      tftp: 2 * MAX_TFTP_TRANSFERS,
      responses: Infinity,
      eventReaders: MAX_EVENT_READERS,
      eventReadersPerClient: MAX_EVENT_READERS_PER_CLIENT,
    });
  });
});
