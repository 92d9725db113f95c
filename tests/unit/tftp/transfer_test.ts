import { assert, assertEquals, assertLess } from "@std/assert";
import { MemoryContent } from "../../../lib/tftp/content.ts";
import {
  decodeError,
  encodeError,
  Opcode,
  opcodeOf,
  type Request,
} from "../../../lib/tftp/packet.ts";
import { negotiate, Transfer } from "../../../lib/tftp/transfer.ts";
import { fc } from "../../support/fast_check.ts";

function request(options: Record<string, string> = {}): Request {
  return {
    opcode: Opcode.ReadRequest,
    fileName: "f",
    mode: "octet",
    options: new Map(Object.entries(options)),
  };
}

function content(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index * 7 + (index >> 8));
}

function ack(block: number): Uint8Array {
  return Uint8Array.of(0, Opcode.Acknowledgment, block >> 8, block);
}

function transferOf(bytes: Uint8Array, options: Record<string, string> = {}) {
  const agreed = negotiate(request(options), bytes.length);
  return new Transfer(new MemoryContent(bytes), agreed, 0);
}

/** What a transfer sends now: `OACK`, or the number of a block. */
function sent(transfer: Transfer, now: number): (number | "OACK")[] {
  const packet = new Uint8Array(transfer.packetSize);
  const list: (number | "OACK")[] = [];
  while (transfer.next(packet, now) > 0) {
    list.push(
      opcodeOf(packet) === Opcode.OptionAcknowledgment
        ? "OACK"
        : packet[2]! << 8 | packet[3]!,
    );
    assertLess(list.length, 1000);
  }
  return list;
}

Deno.test("TFTP options", async (t) => {
  const negotiated = (options: Record<string, string>, size = 1000) =>
    Object.fromEntries(negotiate(request(options), size).acknowledged);

  for (
    const [asked, answered] of [
      [{}, {}],
      [{ blksize: "1428" }, { blksize: "1428" }],
      [{ blksize: "8" }, { blksize: "8" }],
      [{ blksize: "7" }, {}],
      [{ blksize: "65464" }, { blksize: "65464" }],
      [{ blksize: "65535" }, { blksize: "65464" }],
      [{ blksize: "70000" }, {}],
      [{ blksize: "-1" }, {}],
      [{ tsize: "0" }, { tsize: "1000" }],
      [{ tsize: "x" }, {}],
      [{ timeout: "1" }, { timeout: "1" }],
      [{ timeout: "255" }, { timeout: "255" }],
      [{ timeout: "0" }, {}],
      [{ timeout: "256" }, {}],
      [{ windowsize: "1" }, { windowsize: "1" }],
      [{ windowsize: "4" }, { windowsize: "4" }],
      [{ windowsize: "1000" }, { windowsize: "64" }],
      [{ windowsize: "0" }, {}],
      [{ windowsize: "64", blksize: "65464" }, {
        windowsize: "4",
        blksize: "65464",
      }],
      [{ multicast: "", "x-other": "1" }, {}],
    ] as [Record<string, string>, Record<string, string>][]
  ) {
    await t.step(
      JSON.stringify(asked),
      () => assertEquals(negotiated(asked), answered),
    );
  }
});

Deno.test("TFTP transfer", async (t) => {
  await t.step("sends block after block", () => {
    const transfer = transferOf(content(1200));
    assertEquals(sent(transfer, 0), [1]);
    assertEquals(transfer.state, "offered");
    transfer.receive(ack(1), 1);
    assertEquals(transfer.state, "sending");
    assertEquals(sent(transfer, 1), [2]);
    transfer.receive(ack(2), 2);
    assertEquals(sent(transfer, 2), [3]);
    assertEquals(transfer.sentBytes, 1024);
    transfer.receive(ack(3), 3);
    assertEquals(transfer.state, "complete");
    assertEquals(transfer.sentBytes, 1200);
    assertEquals(sent(transfer, 4), []);
  });

  await t.step("ends with an empty block when the last one is full", () => {
    const transfer = transferOf(content(512));
    sent(transfer, 0);
    transfer.receive(ack(1), 1);
    const packet = new Uint8Array(transfer.packetSize);
    assertEquals(transfer.next(packet, 1), 4);
    transfer.receive(ack(2), 2);
    assertEquals(transfer.state, "complete");
  });

  await t.step("sends an empty file", () => {
    const transfer = transferOf(content(0));
    assertEquals(sent(transfer, 0), [1]);
    transfer.receive(ack(1), 1);
    assertEquals(transfer.state, "complete");
  });

  await t.step(
    "sends an OACK first, and blocks when it is acknowledged",
    () => {
      const transfer = transferOf(content(5000), {
        blksize: "1000",
        windowsize: "2",
      });
      assertEquals(sent(transfer, 0), ["OACK"]);
      transfer.receive(ack(1), 1);
      assertEquals(sent(transfer, 1), []);
      transfer.receive(ack(0), 2);
      assertEquals(sent(transfer, 2), [1, 2]);
      transfer.receive(ack(2), 3);
      assertEquals(sent(transfer, 3), [3, 4]);
    },
  );

  await t.step(
    "goes back once for a lost block, not once for each repeated ACK",
    () => {
      const transfer = transferOf(content(5000), {
        blksize: "100",
        windowsize: "4",
      });
      sent(transfer, 0);
      transfer.receive(ack(0), 1);
      assertEquals(sent(transfer, 1), [1, 2, 3, 4]);
      transfer.receive(ack(1), 2); // 2 is lost: 3 and 4 each bring an ACK
      assertEquals(sent(transfer, 2), [2, 3, 4, 5]);
      transfer.receive(ack(1), 2);
      assertEquals(sent(transfer, 2), []);
      transfer.receive(ack(5), 3);
      assertEquals(sent(transfer, 3), [6, 7, 8, 9]);
      for (let again = 0; again < 3; again++) {
        transfer.receive(ack(5), 4); // 6 is lost
        assertEquals(sent(transfer, 4), again === 0 ? [6, 7, 8, 9] : []);
      }
    },
  );

  await t.step("ignores a duplicate ACK without a window", () => {
    const transfer = transferOf(content(5000));
    sent(transfer, 0);
    transfer.receive(ack(1), 1);
    assertEquals(sent(transfer, 1), [2]);
    transfer.receive(ack(1), 2);
    assertEquals(sent(transfer, 2), []);
    transfer.receive(ack(0), 2);
    assertEquals(sent(transfer, 2), []);
    transfer.receive(ack(1), 900); // after a timeout of the client: block 2 was lost
    assertEquals(sent(transfer, 900), [2]);
  });

  await t.step("ignores ACKs of blocks that were not sent", () => {
    const transfer = transferOf(content(50_000), { windowsize: "4" });
    sent(transfer, 0);
    transfer.receive(ack(0), 0);
    sent(transfer, 0);
    for (const block of [5, 6, 40, 0xffff]) transfer.receive(ack(block), 1);
    assertEquals(transfer.sentBytes, 0);
    assertEquals(sent(transfer, 1), []);
  });

  await t.step("retransmits with back-off, then fails", () => {
    const transfer = transferOf(content(5000));
    sent(transfer, 0);
    transfer.receive(ack(1), 0);
    const times: number[] = [];
    let now = 0;
    sent(transfer, now);
    while (!transfer.isOver) {
      now = transfer.deadline;
      transfer.expire(now);
      if (sent(transfer, now).length > 0) times.push(now);
      assertLess(times.length, 20);
    }
    assertEquals(times.length, 5);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    assertEquals(gaps, [300, 750, 1875, 4687.5, 11718.75]);
    assertEquals(transfer.state, "failed");
    assertEquals(transfer.error, "the client does not respond");
  });

  await t.step(
    "sends at most 3 packets without an acknowledgment",
    () => {
      for (const options of [{}, { blksize: "1000" }, { windowsize: "64" }]) {
        const transfer = transferOf(
          content(50_000),
          options as Record<string, string>,
        );
        let packets = sent(transfer, 0).length;
        for (let now = 0; !transfer.isOver; now += 100) {
          assertLess(now, 60_000);
          transfer.expire(now);
          packets += sent(transfer, now).length;
        }
        assertEquals(packets, 3);
      }
    },
  );

  await t.step("ignores an ACK of block 0 without an OACK", () => {
    const transfer = transferOf(content(5000));
    assertEquals(sent(transfer, 0), [1]);
    for (let now = 600; now < 60_000; now += 600) {
      transfer.receive(ack(0), now);
      assertEquals(sent(transfer, now), []);
    }
    assertEquals(transfer.state, "offered");
  });

  await t.step(
    "accepts a repeated ACK after the requested timeout",
    () => {
      const transfer = transferOf(content(5000), { timeout: "255" });
      sent(transfer, 0);
      transfer.receive(ack(0), 1);
      assertEquals(sent(transfer, 1), [1]);
      transfer.receive(ack(0), 254_000); // block 1 is lost
      assertEquals(transfer.state, "sending");
      assertEquals(sent(transfer, 254_000), [1]);
      transfer.receive(ack(0), 520_000);
      assertEquals(transfer.error, "the client acknowledges nothing new");
    },
  );

  await t.step("uses the timeout that the client requested", () => {
    const transfer = transferOf(content(5000), { timeout: "7" });
    sent(transfer, 0);
    assertEquals(transfer.deadline, 7000);
    transfer.receive(ack(0), 10);
    sent(transfer, 10);
    transfer.receive(ack(1), 20);
    sent(transfer, 20);
    assertEquals(transfer.deadline, 7020);
  });

  await t.step(
    "fails when a client acknowledges the same block for ever",
    () => {
      const transfer = transferOf(content(5000));
      sent(transfer, 0);
      transfer.receive(ack(1), 0);
      for (let now = 0; !transfer.isOver; now += 600) {
        assertLess(now, 120_000);
        sent(transfer, now);
        transfer.receive(ack(1), now);
      }
      assertEquals(transfer.error, "the client acknowledges nothing new");
    },
  );

  await t.step("recognizes a client that requests the size only", () => {
    const probe = transferOf(content(5000), { tsize: "0", blksize: "1228" });
    sent(probe, 0);
    probe.receive(encodeError(8, "User aborted the transfer"), 1);
    assertEquals(probe.state, "probed");
    const failed = transferOf(content(5000), { blksize: "1228" });
    sent(failed, 0);
    failed.receive(encodeError(8, "no"), 1);
    assertEquals(failed.state, "failed");
    assertEquals(failed.error, "the client sent error 8: no");
    assertEquals(decodeError(encodeError(8, "no")).code, 8);
  });

  await t.step("ignores garbage", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      const transfer = transferOf(content(5000));
      sent(transfer, 0);
      transfer.receive(bytes, 1);
      assert(
        transfer.isOver ===
            (opcodeOf(bytes) === Opcode.Error && bytes.length >= 4) ||
          transfer.sentBytes === 512,
      );
    }));
  });
});

/** A client as RFC 7440 draws it, behind a network that loses and reorders. */
function download(
  bytes: Uint8Array,
  options: Record<string, string>,
  fate: () => number,
  loss: number,
): { received: Uint8Array; packets: number; error: string | undefined } {
  const transfer = transferOf(bytes, options);
  const { blockSize, windowSize, acknowledged } = negotiate(
    request(options),
    bytes.length,
  );
  const received = new Uint8Array(bytes.length);
  let last = 0; // the last block in order
  let isDone = false;
  let inWindow = 0;
  let clientDeadline = 4000;
  let packets = 0;
  let lastAck: Uint8Array | undefined;
  const wire: { at: number; toClient: boolean; bytes: Uint8Array }[] = [];
  let now = 0;
  const post = (toClient: boolean, bytes: Uint8Array) => {
    if (fate() < loss) return;
    for (let copy = fate() < loss / 2 ? 2 : 1; copy > 0; copy--) {
      wire.push({ at: now + 1 + 3 * fate(), toClient, bytes: bytes.slice() });
    }
  };
  const acknowledge = (block: number) => {
    lastAck = ack(block & 0xffff);
    post(false, lastAck);
    inWindow = 0;
    clientDeadline = now + 4000;
  };
  const take = (bytes: Uint8Array) => {
    if (isDone && opcodeOf(bytes) !== Opcode.Data) return;
    if (opcodeOf(bytes) === Opcode.OptionAcknowledgment) {
      if (last === 0) acknowledge(0);
      return;
    }
    const ahead = ((bytes[2]! << 8 | bytes[3]!) - last) & 0xffff;
    if (ahead !== 1) return acknowledge(last);
    last++;
    received.set(bytes.subarray(4), (last - 1) * blockSize);
    isDone = bytes.length < 4 + blockSize;
    if (++inWindow === windowSize || isDone) acknowledge(last);
    else clientDeadline = now + 4000;
  };
  const packet = new Uint8Array(transfer.packetSize);
  const hasOptions = acknowledged.size > 0;
  for (let step = 0; step < 200_000 && !transfer.isOver; step++) {
    for (let length; (length = transfer.next(packet, now)) > 0;) {
      packets++;
      post(true, packet.subarray(0, length));
    }
    wire.sort((a, b) => a.at - b.at);
    const arrival = wire[0];
    const due = Math.min(transfer.deadline, clientDeadline);
    if (arrival !== undefined && arrival.at <= due) {
      wire.shift();
      now = arrival.at;
      if (arrival.toClient) take(arrival.bytes);
      else transfer.receive(arrival.bytes, now);
    } else if (clientDeadline < transfer.deadline) {
      now = clientDeadline;
      clientDeadline += 4000;
      if (lastAck !== undefined) post(false, lastAck);
    } else {
      now = transfer.deadline;
      transfer.expire(now);
    }
  }
  // The last ACK may be lost: the result is what the client has received.
  return {
    received: isDone ? received : new Uint8Array(0),
    packets,
    error: isDone || hasOptions ? undefined : transfer.error,
  };
}

Deno.test("TFTP through a bad network", async (t) => {
  const block = fc.constantFrom("8", "512", "1228", "1432");
  const window = fc.constantFrom("1", "2", "4", "16", "64");

  await t.step("delivers every byte", () => {
    let complete = 0;
    const runs = 150;
    fc.assert(
      fc.property(
        block,
        window,
        fc.nat({ max: 60 }),
        fc.nat(),
        (blksize, windowsize, blocks, seed) => {
          const bytes = content(
            blocks * Number(blksize) + seed % Number(blksize),
          );
          let state = seed;
          const fate = () => {
            state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
            return (state >> 8) / 0x7fffff;
          };
          const { received } = download(
            bytes,
            { blksize, windowsize },
            fate,
            0.1,
          );
          if (received.length === bytes.length && received.length > 0) {
            assertEquals(received, bytes);
          }
          if (received.length === bytes.length) complete++;
        },
      ),
      { numRuns: runs },
    );
    // A transfer fails when a packet is lost 5 times in a row.
    assert(complete >= 0.97 * runs, `${complete} of ${runs}`);
  });

  await t.step(
    "sends each block once when no packet is lost",
    () => {
      for (const windowsize of ["1", "4", "64"]) {
        const bytes = content(100_000);
        const { received, packets } = download(
          bytes,
          { blksize: "1000", windowsize },
          () => 0.5,
          0,
        );
        assertEquals(received, bytes);
        assertEquals(packets, 1 + 101);
      }
    },
  );

  await t.step("wraps its block numbers", () => {
    const bytes = content(66_000 * 8 + 3);
    const { received } = download(
      bytes,
      { blksize: "8", windowsize: "64" },
      () => 0.5,
      0,
    );
    assertEquals(received.length, bytes.length);
    assert(received.every((byte, index) => byte === bytes[index]));
  });
});
