import { assert, assertEquals } from "@std/assert";
import { fdLimit, fdSharesOf } from "../../../lib/overload/fd_budget.ts";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_IDLE_CONNECTIONS,
  MAX_TFTP_TRANSFERS,
} from "../../../lib/overload/limits.ts";
import { ClientQuota } from "../../../lib/overload/quota.ts";

Deno.test("descriptors", async (t) => {
  await t.step("are shared out, and no more than there are", () => {
    for (let limit = 256; limit <= 65_536; limit += 97) {
      const { silent, tftpTransfers, answers, ...readers } = fdSharesOf(limit);
      assert(64 + 1.25 * silent + tftpTransfers + answers <= limit, `${limit}`);
      assert(0 < readers.eventReadersOfOne);
      assert(readers.eventReadersOfOne < readers.eventReaders);
      assert(2 * readers.eventReaders <= answers);
    }
  });

  await t.step("of a shell: some for everybody", () => {
    assertEquals(fdSharesOf(1024), {
      silent: 256,
      tftpTransfers: 128,
      answers: 512,
      eventReaders: 256,
      eventReadersOfOne: 192,
    });
  });

  await t.step("are tried, and all given back", () => {
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    assert(fdLimit() >= before);
    assertEquals(open(), before);
  });

  await t.step("are as many as is usual where they cannot be tried", () => {
    const { openSync } = Deno;
    Deno.openSync = () => {
      throw new Deno.errors.NotFound("No such file or directory");
    };
    try {
      assertEquals(fdLimit(), 1024);
    } finally {
      Deno.openSync = openSync;
    }
  });

  await t.step("without a limit: the bounds of each kind", () => {
    assertEquals(fdSharesOf(Infinity), {
      silent: MAX_IDLE_CONNECTIONS,
      tftpTransfers: MAX_TFTP_TRANSFERS,
      answers: Infinity,
      eventReaders: MAX_EVENT_READERS,
      eventReadersOfOne: MAX_EVENT_READERS_PER_CLIENT,
    });
  });
});

Deno.test("places", async (t) => {
  await t.step("are given back once, however often that is said", () => {
    const quota = new ClientQuota({ total: 3, perClient: 2 });
    const release = quota.acquire("a")!;
    quota.acquire("a");
    assertEquals(quota.acquire("a"), undefined);
    quota.acquire("b");
    assertEquals([quota.used, quota.refused], [3, 1]);
    assertEquals(quota.acquire("c"), undefined);
    release();
    release();
    assertEquals([quota.used, quota.refused], [2, 2]);
    assert(quota.acquire("c") !== undefined);
    assertEquals(quota.acquire("b"), undefined);
  });

  await t.step("are none where there is no room", () => {
    let hasCapacity = false;
    const quota = new ClientQuota({
      total: 9,
      perClient: 9,
      hasCapacity: () => hasCapacity,
    });
    assertEquals(quota.acquire("a"), undefined);
    hasCapacity = true;
    assert(quota.acquire("a") !== undefined);
  });
});
