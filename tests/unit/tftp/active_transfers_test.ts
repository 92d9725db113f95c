import { assert, assertEquals } from "@std/assert";
import {
  type ActiveTransfer,
  ActiveTransfers,
} from "../../../lib/tftp/active_transfers.ts";
import { MemoryContent } from "../../../lib/tftp/content.ts";
import { Opcode } from "../../../lib/tftp/packet.ts";
import { negotiate, Transfer } from "../../../lib/tftp/transfer.ts";
import type { TransferSocket } from "../../../lib/tftp/transfer_socket.ts";

const CONTENT = new MemoryContent(new Uint8Array(1024 * 1024));
/** Blocks that only a client acknowledges that wants the file. */
const SERVED_BLOCKS = 512;
/** A host that has no transfer. */
const OTHER = "::ffff";

/** Transfers that are acknowledged as a test says, with the time. */
class Lab {
  now = 0;
  readonly transfers: ActiveTransfers;
  #hosts = 0;
  #ports = 0;
  #blocks = new Map<ActiveTransfer, number>();

  constructor(limit: number) {
    this.transfers = new ActiveTransfers(limit, 2 * limit);
  }

  /** Begins a transfer, of a host of its own; `undefined` without a place. */
  begin(host = ++this.#hosts): ActiveTransfer | undefined {
    const client: Deno.NetAddr = {
      transport: "udp",
      hostname: `::${host.toString(16)}`,
      port: ++this.#ports,
    };
    const request = Uint8Array.of(host);
    if (this.transfers.admit(client, request, this.now) !== "admitted") {
      return undefined;
    }
    const options = negotiate({
      opcode: Opcode.ReadRequest,
      fileName: "f",
      mode: "octet",
      options: new Map(),
    }, CONTENT.size);
    const active: ActiveTransfer = {
      request,
      transfer: new Transfer(CONTENT, options, this.now),
      content: CONTENT,
      socket: { close() {} } as TransferSocket,
      client,
      isSending: false,
      hasFile: false,
      onOver: undefined,
    };
    this.transfers.add(active);
    return active;
  }

  /** The client acknowledges the next blocks. */
  acknowledge(active: ActiveTransfer, blocks = 1): void {
    const { transfer } = active;
    const packet = new Uint8Array(transfer.packetSize);
    for (let count = 0; count < blocks; count++) {
      while (transfer.next(packet, this.now) > 0);
      const block = (this.#blocks.get(active) ?? 0) + 1;
      this.#blocks.set(active, block);
      transfer.receive(
        Uint8Array.of(0, Opcode.Acknowledgment, block >> 8, block),
        this.now,
      );
    }
  }

  /** The client has left after some blocks. */
  leave(active: ActiveTransfer): void {
    active.transfer.cancel("left");
    this.transfers.remove(active.client, active);
  }

  /** Whether there is a place for another host. */
  get hasPlace(): boolean {
    return this.transfers.place(OTHER, 1, this.now) === "admitted";
  }
}

function ended(all: readonly ActiveTransfer[]): number[] {
  return all.flatMap(({ transfer }, index) => transfer.isOver ? [index] : []);
}

Deno.test("transfers that end for others", async (t) => {
  for (
    const [what, blocksEachSecond, slow] of [
      ["one block in 9 s", [8, 8, 1 / 9, 8], [2]],
      ["one block a second, after many", [8, 1, 8, 8], [1]],
      ["no more than two of them", [1, 8, 2, 8], [0, 2]],
    ] as const
  ) {
    await t.step(`those with ${what}, the slowest first`, () => {
      const lab = new Lab(blocksEachSecond.length);
      const all = blocksEachSecond.map(() => lab.begin()!);
      for (const active of all) lab.acknowledge(active, 500);
      const left = [...slow];
      for (let second = 1; second <= 60; second++) {
        lab.now += 1000;
        for (const [index, rate] of blocksEachSecond.entries()) {
          if (all[index]!.transfer.isOver) continue;
          const blocks = rate >= 1 ? rate : second % (1 / rate) === 0 ? 1 : 0;
          lab.acknowledge(all[index]!, blocks);
        }
        if (!lab.hasPlace) continue;
        assert(second > 10, "in the first seconds all were fast");
        assertEquals(all[left.shift()!]?.transfer.isOver, true);
        lab.acknowledge(lab.begin()!, 500);
        if (left.length === 0) break;
      }
      assertEquals(ended(all), [...slow]);
    });
  }

  await t.step("none, while all are fast enough", () => {
    const lab = new Lab(4);
    const all = Array.from({ length: 4 }, () => lab.begin()!);
    for (let second = 1; second <= 60; second++) {
      lab.now += 1000;
      for (const active of all) lab.acknowledge(active, 5);
      assertEquals(lab.hasPlace, false);
    }
    assertEquals(ended(all), []);
  });

  await t.step("sooner while most are not acknowledged", () => {
    const lab = new Lab(8);
    /** Milliseconds until there is a place. */
    const waited = () => {
      const start = lab.now;
      while (!lab.hasPlace) lab.now += 100;
      return lab.now - start;
    };
    for (let count = 0; count < 8; count++) lab.begin();
    assertEquals(waited(), 5000);
    // All of them are forged.
    for (let count = 0; count < 200; count++) {
      waited();
      assert(lab.begin() !== undefined);
    }
    lab.now += 60_000;
    const fresh = Array.from({ length: 8 }, () => lab.begin()!);
    assertEquals(waited(), 500);
    // Clients that acknowledge are slower on a busy link.
    for (const active of fresh.slice(1)) {
      lab.acknowledge(active, SERVED_BLOCKS);
      lab.leave(active);
    }
    for (let count = 0; count < 100; count++) {
      const active = lab.begin()!;
      lab.acknowledge(active, SERVED_BLOCKS);
      lab.leave(active);
    }
    while (lab.begin() !== undefined);
    assertEquals(waited(), 5000);
  });

  await t.step("sooner while most are acknowledged once", () => {
    const lab = new Lab(8);
    const fill = () => {
      for (let active; (active = lab.begin()) !== undefined;) {
        lab.acknowledge(active);
      }
    };
    const waited = () => {
      const start = lab.now;
      while (!lab.hasPlace) lab.now += 100;
      return lab.now - start;
    };
    fill();
    assertEquals(waited(), 10_000);
    for (let count = 0; count < 50; count++) {
      fill();
      waited();
    }
    fill();
    assertEquals(waited(), 500);
    // One that goes on is none of them.
    lab.now += 60_000;
    const real = lab.begin()!;
    for (let count = 0; count < 50; count++) {
      fill();
      lab.now += 100;
      lab.acknowledge(real);
    }
    assertEquals(real.transfer.isOver, false);
  });

  await t.step("those of a host that has several, after a second", () => {
    const lab = new Lab(4);
    const only = lab.begin()!;
    const several = [1, 2, 3].map(() => lab.begin(0xbad)!);
    const all = [only, ...several];
    const goOn = () => {
      lab.now += 500;
      for (const active of all) {
        if (!active.transfer.isOver) lab.acknowledge(active, 20);
      }
    };
    goOn();
    assertEquals(lab.hasPlace, false);
    goOn();
    // The idlest of them.
    lab.now += 100;
    lab.acknowledge(several[0]!);
    lab.acknowledge(several[2]!);
    for (const others of [[0, 1, 3], [0, 1]]) {
      lab.now += 1;
      const hasPlace: boolean = lab.hasPlace;
      assert(hasPlace);
      assertEquals(
        all.flatMap(({ transfer }, index) => transfer.isOver ? [] : [index]),
        others,
      );
      assert(lab.begin() !== undefined);
    }
    lab.now += 1;
    assertEquals(lab.hasPlace, false, "each host has one");
  });
});
