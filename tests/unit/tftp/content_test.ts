import { assert, assertEquals } from "@std/assert";
import { MIN_TFTP_PIECE } from "../../../lib/overload/limits.ts";
import { FileContent } from "../../../lib/tftp/content.ts";
import { negotiate, Transfer } from "../../../lib/tftp/transfer.ts";
import { Opcode } from "../../../lib/tftp/packet.ts";
import { fc } from "../../support/fast_check.ts";

/** The byte at a place of a made-up file of any length. */
function byteAt(at: number): number {
  return (at * 7 + Math.floor(at / 251)) % 256;
}

function madeUpFile(size: number) {
  const reads: number[] = [];
  return {
    reads,
    size,
    read: (start: number, length: number) => {
      assert(start >= 0 && start + length <= size, `${start} + ${length}`);
      reads.push(start);
      const bytes = new Uint8Array(length);
      return Promise.resolve(bytes.map((_, index) => byteAt(start + index)));
    },
    close() {},
  };
}

Deno.test("a file in pieces", async (t) => {
  await t.step("has the bytes of the file, wherever they are", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 * MIN_TFTP_PIECE }),
        fc.integer({ min: 1, max: 2 * MIN_TFTP_PIECE }),
        fc.array(fc.tuple(fc.nat(), fc.nat(65_464)), { maxLength: 20 }),
        async (size, windowSize, ranges) => {
          const content = new FileContent(madeUpFile(size), windowSize);
          for (const [from, most] of ranges) {
            const start = from % size;
            const end = Math.min(start + most % windowSize, size);
            if (!content.has(start, end)) await content.load(start, end);
            assert(content.has(start, end));
            const target = new Uint8Array(end - start + 2);
            content.copy(start, end, target, 1);
            for (let at = start; at < end; at++) {
              assertEquals(target[1 + at - start], byteAt(at));
            }
            assertEquals([target[0], target.at(-1)], [0, 0]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  await t.step("is read once, if it is sent from front to back", async () => {
    const file = madeUpFile(10 * MIN_TFTP_PIECE + 5);
    const content = new FileContent(file, 4 * 1228);
    for (let start = 0; start < file.size; start += 1228) {
      const end = Math.min(start + 1228, file.size);
      if (!content.has(start, end)) await content.load(start, end);
      // The block before it may have to be sent again.
      assert(content.has(Math.max(0, start - 3 * 1228), end));
    }
    assertEquals(file.reads.length, 11);
  });

  await t.step("may be longer than 4 GiB", async () => {
    const size = 2 ** 33 + 7;
    const content = new FileContent(madeUpFile(size), 1);
    await content.load(size - 10, size);
    const target = new Uint8Array(10);
    content.copy(size - 10, size, target, 0);
    assertEquals(
      target,
      target.map((_, index) => byteAt(size - 10 + index)),
    );
  });
});

Deno.test("a transfer of more than 4 GiB", () => {
  const size = 2 ** 32 + 5;
  const starts: number[] = [];
  const content = {
    size,
    copy: (start: number, end: number) => {
      assert(end <= size && end - start <= 65_464);
      starts.push(start);
    },
  };
  const options = negotiate({
    opcode: Opcode.ReadRequest,
    fileName: "f",
    mode: "octet",
    options: new Map([["blksize", "65464"], ["tsize", "0"]]),
  }, size);
  assertEquals(options.acknowledged.get("tsize"), String(size));
  const transfer = new Transfer(content, options, 0);
  const packet = new Uint8Array(transfer.packetSize);
  transfer.next(packet, 0);
  transfer.receive(Uint8Array.of(0, Opcode.Acknowledgment, 0, 0), 0);
  let last = 0;
  while (!transfer.isOver) {
    assertEquals(transfer.nextStart, last);
    last += 65_464;
    assert(transfer.next(packet, 0) > 0);
    // The number of the block has wrapped: it is what the packet says.
    const ack = Uint8Array.of(0, Opcode.Acknowledgment, packet[2]!, packet[3]!);
    transfer.receive(ack, 0);
  }
  assertEquals([transfer.state, transfer.sentBytes], ["complete", size]);
  assertEquals(starts.length, Math.floor(size / 65_464) + 1);
});
