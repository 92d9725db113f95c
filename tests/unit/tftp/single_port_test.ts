import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../../support/clock.ts";
import { eventually, pause } from "../../support/lab.ts";
import { type StepHooks, stepsWith } from "../../support/steps.ts";
import { acknowledge, readRequest } from "../../support/tftp.ts";
import { NO_MAC } from "../../../lib/net/mac.ts";
import { ErrorCode, Opcode, opcodeOf } from "../../../lib/tftp/packet.ts";
import { type TftpFile, TftpServer } from "../../../lib/tftp/server.ts";

/** The port of the server, as in the tests of the server. */
let port = 29_769 + 32 * (Deno.pid % 90);

const FILE = new Uint8Array(5000).map((_, index) => index * 7 >> 2);

/** Bytes of a block, and how many blocks the file has. */
const BLOCK_SIZE = 1000;
const BLOCKS = 6;

/** A client that sends to the port for requests, and to no other. */
class Client implements Disposable {
  readonly #socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "::1",
    port: 0,
  });

  async send(bytes: Uint8Array): Promise<void> {
    await this.#socket.send(bytes, {
      transport: "udp",
      hostname: "::1",
      port,
    });
  }

  /** The next packet, which came from that port, too. */
  async next(): Promise<Uint8Array> {
    const [bytes, from] = await this.#socket.receive();
    assertEquals((from as Deno.NetAddr).port, port);
    return bytes.slice();
  }

  async ask(bytes: Uint8Array): Promise<Uint8Array> {
    await this.send(bytes);
    return await this.next();
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

Deno.test("a TFTP server at a single port", async (t) => {
  using clock = new FakeClock();
  let server: TftpServer;
  let open: () => Promise<TftpFile | undefined>;

  const hooks: StepHooks = {
    before: () => {
      port++;
      open = () => Promise.resolve({ content: FILE, isIpxe: true });
      server = new TftpServer({
        port,
        isSinglePort: true,
        interfaceName: "lo",
        open: () => open(),
        macOf: () => NO_MAC,
        allows: () => true,
        observer: { onBindError() {}, onTransfer() {}, onRefused() {} },
      });
      server.start(["::1"]);
    },
    after: async () => {
      const stopped = server.stop();
      await clock.advance(200);
      await stopped;
    },
  };
  const step = stepsWith(t, hooks);

  /** Gets the blocks that follow one that the client has acknowledged last. */
  async function rest(client: Client, from: number): Promise<number[]> {
    const received: number[] = [];
    for (let block = from; block < BLOCKS; block++) {
      const data = await client.ask(acknowledge(block));
      assertEquals([opcodeOf(data), data[3]], [Opcode.Data, block + 1]);
      received.push(...data.subarray(4));
    }
    await client.send(acknowledge(BLOCKS));
    return received;
  }

  await step("serves several clients at once", async () => {
    using one = new Client();
    using other = new Client();
    for (const client of [one, other]) {
      const offer = await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
      assertEquals(opcodeOf(offer), Opcode.OptionAcknowledgment);
    }
    const files = await Promise.all([rest(one, 0), rest(other, 0)]);
    for (const file of files) assertEquals(Uint8Array.from(file), FILE);
    await eventually("both end", () => server.transfers === 0);
    assertEquals(server.ended, { complete: 2, failed: 0, probed: 0 });
  });

  await step("counts packets of clients without a transfer", async () => {
    using client = new Client();
    using stranger = new Client();
    await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
    await client.ask(acknowledge(0));
    await stranger.send(acknowledge(1));
    await stranger.send(Uint8Array.of(0, Opcode.Error, 0, 0, 0));
    await eventually(
      "both are counted",
      () => server.refused.unknown_transfer_id === 2,
    );
    await rest(client, 1);
    await eventually("it ends", () => server.ended.complete === 1);
  });

  await step("says at that port that there is no file", async () => {
    open = () => Promise.resolve(undefined);
    using client = new Client();
    const error = await client.ask(readRequest("none", BLOCK_SIZE));
    assertEquals(
      [opcodeOf(error), error[3]],
      [Opcode.Error, ErrorCode.FileNotFound],
    );
    await eventually("it ends", () => server.transfers === 0);
  });

  await step("gives packets to the last transfer of a client", async () => {
    using client = new Client();
    await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
    // The first one is idle: the client has begun anew.
    const offer = await client.ask(readRequest("ipxe.efi", 2000));
    assertEquals(opcodeOf(offer), Opcode.OptionAcknowledgment);
    const data = await client.ask(acknowledge(0));
    assertEquals(data.length, 2004);
    assertEquals(server.transfers, 1);
  });

  await step("keeps few packets while a file is read", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isReading = false;
    const content = {
      size: FILE.length,
      read: async (start: number, length: number) => {
        isReading = true;
        await promise;
        return FILE.slice(start, start + length);
      },
      close() {},
    };
    open = () => Promise.resolve({ content, isIpxe: false });
    using client = new Client();
    using other = new Client();
    await client.ask(readRequest("boot.efi", BLOCK_SIZE));
    await client.send(acknowledge(0));
    await eventually("the file is read", () => isReading);
    for (let more = 0; more < 4; more++) await client.send(acknowledge(0));
    // It is lost, as if the network had lost it.
    await client.send(Uint8Array.of(0, Opcode.Error, 0, 0, 97, 0));
    await other.send(acknowledge(0));
    await eventually(
      "all have come",
      () => server.refused.unknown_transfer_id === 1,
    );
    resolve();
    const data = await client.next();
    assertEquals([opcodeOf(data), data[3]], [Opcode.Data, 1]);
    await rest(client, 1);
    await eventually("it ends", () => server.ended.complete === 1);
  });

  await step("ends transfers with their address", async () => {
    using client = new Client();
    await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
    await client.ask(acknowledge(0));
    server.bind([]);
    await eventually("it ends", () => server.transfers === 0);
    assertEquals(server.ended, { complete: 0, failed: 1, probed: 0 });
    await eventually("the port is free", () => {
      server.bind(["::1"]);
      return server.hostnames.length === 1;
    });
    await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
    assertEquals((await rest(client, 0)).length, FILE.length);
    await eventually("the next one ends", () => server.ended.complete === 1);
  });

  await step("begins nothing once its address is removed", async () => {
    const { promise, resolve } = Promise.withResolvers<TftpFile>();
    open = () => promise;
    using client = new Client();
    await client.send(readRequest("ipxe.efi", BLOCK_SIZE));
    await eventually("the file is opened", () => server.transfers === 1);
    server.bind([]);
    resolve({ content: FILE, isIpxe: true });
    await eventually("it ends", () => server.transfers === 0);
    assertEquals(server.ended, { complete: 0, failed: 1, probed: 0 });
  });

  await step("ends transfers in progress before it stops", async () => {
    using client = new Client();
    using late = new Client();
    await client.ask(readRequest("ipxe.efi", BLOCK_SIZE));
    await client.ask(acknowledge(0));
    let isStopped = false;
    const stopped = server.stop(5000).then(() => isStopped = true);
    await late.send(readRequest("ipxe.efi", BLOCK_SIZE));
    await rest(client, 1);
    await eventually("it ends", () => server.ended.complete === 1);
    await pause(10);
    await clock.advance(200);
    await stopped;
    assert(isStopped);
    assertEquals([server.transfers, server.hostnames.length], [0, 0]);
    assertEquals(server.ended.complete, 1);
  });
});
