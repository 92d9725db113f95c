import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { descriptorLimit, sharesOf } from "../../../lib/overload/fd_budget.ts";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_OF_ONE,
  MAX_SILENT_CONNECTIONS,
  MAX_TFTP_TRANSFERS,
} from "../../../lib/overload/limits.ts";
import { Places } from "../../../lib/overload/quota.ts";

describe("descriptors", () => {
  it("are shared out, and no more than there are", () => {
    for (let limit = 256; limit <= 65_536; limit += 97) {
      const { silent, tftpTransfers, answers, ...readers } = sharesOf(limit);
      assert(64 + 1.25 * silent + tftpTransfers + answers <= limit, `${limit}`);
      assert(0 < readers.eventReadersOfOne);
      assert(readers.eventReadersOfOne < readers.eventReaders);
      assert(2 * readers.eventReaders <= answers);
    }
  });

  it("of a shell: some for everybody", () => {
    assertEquals(sharesOf(1024), {
      silent: 256,
      tftpTransfers: 128,
      answers: 512,
      eventReaders: 256,
      eventReadersOfOne: 192,
    });
  });

  it("are tried, and all given back", () => {
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    assert(descriptorLimit() >= before);
    assertEquals(open(), before);
  });

  it("are as many as is usual where they cannot be tried", () => {
    const { openSync } = Deno;
    Deno.openSync = () => {
      throw new Deno.errors.NotFound("No such file or directory");
    };
    try {
      assertEquals(descriptorLimit(), 1024);
    } finally {
      Deno.openSync = openSync;
    }
  });

  it("without a limit: the bounds of each kind", () => {
    assertEquals(sharesOf(Infinity), {
      silent: MAX_SILENT_CONNECTIONS,
      tftpTransfers: MAX_TFTP_TRANSFERS,
      answers: Infinity,
      eventReaders: MAX_EVENT_READERS,
      eventReadersOfOne: MAX_EVENT_READERS_OF_ONE,
    });
  });
});

describe("places", () => {
  it("are given back once, however often that is said", () => {
    const places = new Places({ all: 3, ofOne: 2 });
    const leave = places.take("a")!;
    places.take("a");
    assertEquals(places.take("a"), undefined);
    places.take("b");
    assertEquals([places.taken, places.refused], [3, 1]);
    assertEquals(places.take("c"), undefined);
    leave();
    leave();
    assertEquals([places.taken, places.refused], [2, 2]);
    assert(places.take("c") !== undefined);
    assertEquals(places.take("b"), undefined);
  });

  it("are none where there is no room", () => {
    let hasRoom = false;
    const places = new Places({ all: 9, ofOne: 9, hasRoom: () => hasRoom });
    assertEquals(places.take("a"), undefined);
    hasRoom = true;
    assert(places.take("a") !== undefined);
  });
});
