import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../../support/clock.ts";
import { eventually, pause } from "../../support/lab.ts";
import { type StepHooks, stepsWith } from "../../support/steps.ts";
import { acknowledge, readRequest } from "../../support/tftp.ts";
import {
  MAX_NETASCII_FILE,
  MAX_TFTP_TRANSFERS,
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  TFTP_EVICTION_IDLE_TIMEOUT,
} from "../../../lib/overload/limits.ts";
import {
  encodeError,
  encodeRequest,
  ErrorCode,
  Opcode,
  opcodeOf,
} from "../../../lib/tftp/packet.ts";
import { NO_MAC } from "../../../lib/net/mac.ts";
import { type TftpFile, TftpServer } from "../../../lib/tftp/server.ts";

/**
 * The port of the server, another one in each step, because a closed port is not
 * free at once, and in each process, because several may run these tests.
 */
let port = 16_969 + 32 * (Deno.pid % 400);
const FILE = new Uint8Array(5000).map((_, index) => index);
const REQUEST = readRequest("ipxe.efi", 1000);

Deno.test("TftpServer", async (t) => {
  // Time passes only where a step says so: without, nothing is retransmitted,
  // idle or late, however busy the machine is.
  using clock = new FakeClock();
  let server: TftpServer;
  let client: Deno.DatagramConn;
  let isAllowed: boolean;
  let file: TftpFile | undefined;

  const hooks: StepHooks = {
    before: () => {
      port++;
      isAllowed = true;
      file = { content: FILE, isIpxe: true };
      server = new TftpServer({
        port,
        interfaceName: "lo",
        open: () => Promise.resolve(file),
        macOf: () => NO_MAC,
        allows: () => isAllowed,
        observer: { onBindError() {}, onTransfer() {}, onRefused() {} },
      });
      server.start(["::1"]);
      client = Deno.listenDatagram({
        transport: "udp",
        hostname: "::1",
        port: 0,
      });
    },
    after: async () => {
      client.close();
      const stopped = server.stop();
      await clock.advance(200);
      await stopped;
    },
  };
  const step = stepsWith(t, hooks);

  const ask = (bytes: Uint8Array, to = port) =>
    client.send(bytes, { transport: "udp", hostname: "::1", port: to });

  /** The next packet, and the port that it came from. */
  async function next(): Promise<{ bytes: Uint8Array; port: number }> {
    const [bytes, from] = await client.receive();
    return { bytes: bytes.slice(), port: (from as Deno.NetAddr).port };
  }

  await step(
    "lets few transfers end at once that still hold their sockets",
    async () => {
      const listen = Deno.listenDatagram;
      const ends: (() => void)[] = [];
      let held = 0;
      // As while the event loop is busy: a receive ends after its socket.
      Deno.listenDatagram = (options) => {
        const socket = listen(
          options as Deno.UdpListenOptions & { transport: "udp" },
        );
        const { promise, resolve } = Promise.withResolvers<void>();
        ends.push(resolve);
        held++;
        const receive = socket.receive.bind(socket);
        socket.receive = async (buffer) => {
          try {
            return await receive(buffer);
          } catch (error) {
            await promise;
            held--;
            throw error;
          }
        };
        return socket;
      };
      const clients = Array.from(
        { length: 60 },
        () => listen({ transport: "udp", hostname: "::1", port: 0 }),
      );
      const flooded = new TftpServer({
        port: port + 16,
        interfaceName: "lo",
        maxDescriptors: 32,
        open: () => Promise.resolve(file),
        macOf: () => NO_MAC,
        allows: () => true,
        observer: { onBindError() {}, onTransfer() {}, onRefused() {} },
      });
      try {
        flooded.start(["::1"]);
        // That of the server itself.
        held = 0;
        for (const one of clients) {
          await one.send(REQUEST, {
            transport: "udp",
            hostname: "::1",
            port: port + 16,
          });
          await clock.advance(150);
        }
        await eventually(
          "all are answered or refused",
          () => held + flooded.refused.too_many_transfers >= clients.length,
        );
        assertEquals(held, MAX_TFTP_TRANSFERS_PER_CLIENT + 32 / 4);
      } finally {
        Deno.listenDatagram = listen;
        for (const end of ends) end();
        const stopped = flooded.stop();
        await clock.advance(200);
        await stopped;
        for (const one of clients) one.close();
      }
    },
  );

  await step(
    "continues a transfer whose request is duplicated",
    async () => {
      await ask(REQUEST);
      const { bytes, port: transfer } = await next();
      assertEquals(opcodeOf(bytes), Opcode.OptionAcknowledgment);
      await ask(acknowledge(0), transfer);
      assertEquals(opcodeOf((await next()).bytes), Opcode.Data);
      // A copy that the network has delayed.
      await ask(REQUEST);
      for (let block = 1; block <= 5; block++) {
        await ask(acknowledge(block), transfer);
        const data = await next();
        assertEquals(data.port, transfer);
        assertEquals(data.bytes[3], block + 1);
      }
      await ask(acknowledge(6), transfer);
      await eventually("the transfer ends", () => server.transfers === 0);
      assertEquals(server.ended, { complete: 1, failed: 0, probed: 0 });
    },
  );

  await step(
    "continues an active transfer when its client requests another file",
    async () => {
      await ask(REQUEST);
      const { port: transfer } = await next();
      await ask(acknowledge(0), transfer);
      assertEquals((await next()).bytes[3], 1);
      await ask(readRequest("other", 600));
      await eventually(
        "it is counted",
        () => server.refused.other_transfer === 1,
      );
      for (let block = 1; block <= 5; block++) {
        await ask(acknowledge(block), transfer);
        const data = await next();
        assertEquals([data.port, data.bytes[3]], [transfer, block + 1]);
      }
      assertEquals(server.transfers, 1);
    },
  );

  await step(
    "counts packets from other ports than the client's, and no more",
    async () => {
      await ask(REQUEST);
      const { port: transfer } = await next();
      const other = Deno.listenDatagram({
        transport: "udp",
        hostname: "::1",
        port: 0,
      });
      for (const packet of [acknowledge(0), acknowledge(1)]) {
        await other.send(packet, {
          transport: "udp",
          hostname: "::1",
          port: transfer,
        });
      }
      await eventually(
        "both are counted",
        () => server.refused.unknown_transfer_id === 2,
      );
      await ask(acknowledge(0), transfer);
      assertEquals((await next()).bytes[3], 1, "the transfer goes on");
      other.close();
    },
  );

  await step("answers no client that is not allowed", async () => {
    isAllowed = false;
    for (const bytes of [REQUEST, Uint8Array.of(0, Opcode.WriteRequest)]) {
      await ask(bytes);
    }
    await eventually(
      "both are counted",
      () => server.refused.source_not_allowed === 2,
    );
    // The first packet is the reply to the next request, which is allowed.
    isAllowed = true;
    await ask(REQUEST);
    assertEquals(opcodeOf((await next()).bytes), Opcode.OptionAcknowledgment);
    assertEquals(server.transfers, 1);
  });

  await step(
    "replaces an idle transfer when its client requests another file",
    async () => {
      await ask(REQUEST);
      const first = await next();
      await ask(readRequest("other", 600));
      const second = await next();
      assert(second.port !== first.port);
      assertEquals(opcodeOf(second.bytes), Opcode.OptionAcknowledgment);
      await ask(acknowledge(0), second.port);
      assertEquals((await next()).bytes.length, 604);
      assertEquals(server.transfers, 1);
    },
  );

  await t.step("at the limit of all transfers", async (t) => {
    const sockets: Deno.DatagramConn[] = [];
    /** The transfers, and where they come from. */
    const begun: { socket: Deno.DatagramConn; from: Deno.Addr }[] = [];
    const groupHooks: StepHooks = {
      before: async () => {
        await hooks.before!();
        server.bind(["::1", "127.0.0.1"]);
        for (let host = 0; host < MAX_TFTP_TRANSFERS; host++) {
          const socket = await requestFrom(1000 + host);
          const from = await offered(socket);
          await socket.send(acknowledge(0), from);
          await socket.receive();
          begun.push({ socket, from });
        }
        assertEquals(server.transfers, MAX_TFTP_TRANSFERS);
      },
      after: async () => {
        for (const socket of sockets.splice(0)) socket.close();
        begun.splice(0);
        await hooks.after!();
      },
    };
    const step = stepsWith(t, groupHooks);

    /** Sends a request from another port of a host. */
    async function requestFrom(host: number): Promise<Deno.DatagramConn> {
      const socket = Deno.listenDatagram({
        transport: "udp",
        hostname: `127.0.${host >> 8}.${host & 0xff}`,
        port: 0,
      });
      sockets.push(socket);
      await request(socket);
      return socket;
    }

    async function request(socket: Deno.DatagramConn): Promise<void> {
      const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
      await socket.send(REQUEST, to);
    }

    /** Waits for the OACK; where it comes from. */
    async function offered(socket: Deno.DatagramConn): Promise<Deno.Addr> {
      const [bytes, from] = await socket.receive();
      assertEquals(opcodeOf(bytes), Opcode.OptionAcknowledgment);
      return from;
    }

    /** Ends the oldest transfer, as its client does. */
    async function endOne(): Promise<void> {
      const { socket, from } = begun.shift()!;
      await socket.send(encodeError(ErrorCode.NotDefined, "enough"), from);
    }

    const waiting = (count: number) =>
      eventually(`${count} requests wait`, () => server.waiting === count);

    await step(
      "requests wait in turn until a transfer ends, without an ERROR",
      async () => {
        const first = await requestFrom(100);
        await waiting(1);
        const second = await requestFrom(101);
        await waiting(2);
        // It is still the same request.
        await request(first);
        await endOne();
        await offered(first);
        assertEquals([server.waiting, server.transfers], [1, 256]);
        await endOne();
        await offered(second);
        assertEquals(server.refused.too_many_transfers, 0);
      },
    );

    await step(
      "idle transfers end for a request that waits, and no others",
      async () => {
        const late = await requestFrom(100);
        await waiting(1);
        await clock.advance(TFTP_EVICTION_IDLE_TIMEOUT - 200);
        assertEquals(server.waiting, 1);
        await clock.advance(300);
        await offered(late);
        assertEquals(server.transfers, MAX_TFTP_TRANSFERS);
      },
    );

    await step("what is not acknowledged ends for it", async () => {
      for (let host = 100; host < 100 + 2; host++) await requestFrom(host);
      await waiting(2);
      await endOne();
      await waiting(1);
      await clock.advance(4800);
      assertEquals(server.waiting, 1);
      await clock.advance(400);
      await waiting(0);
      await offered(sockets.at(-1)!);
    });

    await step(
      "only so many requests wait, and so many of a host",
      async () => {
        const first = await requestFrom(99);
        await waiting(1);
        await endOne();
        const from = await offered(first);
        for (let host = 100; host < 102; host++) {
          for (
            let count = 0;
            count < 2 * MAX_TFTP_TRANSFERS_PER_CLIENT;
            count++
          ) {
            await requestFrom(host);
          }
        }
        await eventually(
          "all are read",
          () =>
            server.waiting + server.refused.too_many_transfers ===
              4 * MAX_TFTP_TRANSFERS_PER_CLIENT,
        );
        assertEquals(server.waiting, 2 * MAX_TFTP_TRANSFERS_PER_CLIENT);
        // What is refused ends no transfer that is not acknowledged yet.
        await first.send(acknowledge(0), from);
        assertEquals(opcodeOf((await first.receive())[0]), Opcode.Data);
        const stopped = server.stop();
        assertEquals(server.waiting, 0);
        await clock.advance(200);
        await stopped;
      },
    );
  });

  await step(
    "waits for transfers when it stops, and ends the rest",
    async () => {
      await ask(REQUEST);
      const { port: transfer } = await next();
      await ask(acknowledge(0), transfer);
      await next();
      let isStopped = false;
      const stopped = server.stop(1500).then(() => isStopped = true);
      server.bind(["::1"]);
      await ask(readRequest("other", 600));
      await ask(acknowledge(1), transfer);
      assertEquals((await next()).port, transfer);
      await clock.advance(1499);
      assertEquals([isStopped, server.transfers], [false, 1]);
      await clock.advance(1 + 100);
      await stopped;
      assertEquals(server.transfers, 0);
      assertEquals(server.ended, { complete: 0, failed: 1, probed: 0 });
    },
  );

  await step("begins no transfer after it has stopped", async () => {
    let opened = (_file: TftpFile) => {};
    const reading = new Promise<TftpFile>((resolve) => opened = resolve);
    const slow = new TftpServer({
      port: port + 16,
      interfaceName: "lo",
      open: () => reading,
      macOf: () => NO_MAC,
      allows: () => true,
      observer: { onBindError() {}, onTransfer() {}, onRefused() {} },
    });
    slow.start(["::1"]);
    await ask(REQUEST, port + 16);
    await eventually("a request has come", () => slow.transfers === 1);
    const stopped = slow.stop();
    await clock.advance(100);
    await stopped;
    let isClosed = false;
    const close = () => isClosed = true;
    const read = () => Promise.reject(new Error("it is not read"));
    opened({ content: { size: 1, read, close }, isIpxe: false });
    await reading;
    await pause(10);
    assertEquals(isClosed, true);
    assertEquals(slow.transfers, 0);
    assertEquals(slow.ended, { complete: 0, failed: 0, probed: 0 });
  });

  /** A file in pieces, of which `failing` cannot be read. */
  function sourceOf(bytes: Uint8Array, failing = Infinity) {
    const source = {
      size: bytes.length,
      isClosed: false,
      read: (start: number, length: number) =>
        start + length > failing
          ? Promise.reject(new Error("the file has changed"))
          : Promise.resolve(bytes.slice(start, start + length)),
      close: () => {
        source.isClosed = true;
      },
    };
    return source;
  }

  await step("sends a file in pieces, and closes it", async () => {
    const bytes = new Uint8Array(40_000).map((_, index) => index * 31 >> 3);
    const source = sourceOf(bytes);
    file = { content: source, isIpxe: false };
    await ask(readRequest("boot.efi", 1000));
    const { port: transfer } = await next();
    assertEquals(server.descriptors, 2);
    const received: number[] = [];
    for (let block = 0; block <= 40; block++) {
      await ask(acknowledge(block), transfer);
      received.push(...(await next()).bytes.subarray(4));
    }
    await ask(acknowledge(41), transfer);
    assertEquals(Uint8Array.from(received), bytes);
    await eventually("the transfer ends", () => server.transfers === 0);
    assertEquals([source.isClosed, server.descriptors], [true, 0]);
    assertEquals(server.ended, { complete: 1, failed: 0, probed: 0 });
  });

  await step("ends a transfer whose file can no longer be read", async () => {
    const source = sourceOf(new Uint8Array(40_000), 20_000);
    file = { content: source, isIpxe: false };
    await ask(readRequest("boot.efi", 16_384));
    const { port: transfer } = await next();
    await ask(acknowledge(0), transfer);
    assertEquals((await next()).bytes[3], 1);
    await ask(acknowledge(1), transfer);
    const { bytes } = await next();
    assertEquals(opcodeOf(bytes), Opcode.Error);
    assertEquals(
      new TextDecoder().decode(bytes.subarray(4, -1)),
      "the file has changed",
    );
    await eventually("the transfer ends", () => server.transfers === 0);
    assertEquals(source.isClosed, true);
    assertEquals(server.ended, { complete: 0, failed: 1, probed: 0 });
  });

  await step("converts only short files to netascii", async () => {
    const netascii = encodeRequest({
      opcode: Opcode.ReadRequest,
      fileName: "020000000012/config.txt",
      mode: "netascii",
      options: new Map(),
    });
    file = {
      content: sourceOf(new TextEncoder().encode("a\nb")),
      isIpxe: false,
    };
    await ask(netascii);
    const { bytes, port: transfer } = await next();
    assertEquals(new TextDecoder().decode(bytes.subarray(4)), "a\r\nb");
    await ask(acknowledge(1), transfer);
    await eventually("the transfer ends", () => server.transfers === 0);
    const long = sourceOf(new Uint8Array(MAX_NETASCII_FILE + 1));
    file = { content: long, isIpxe: false };
    await ask(netascii);
    assertEquals(opcodeOf((await next()).bytes), Opcode.Error);
    await eventually("it is closed", () => long.isClosed);
    assertEquals(server.refused.file_too_long, 1);
  });

  await step("ends a transfer whose file does not answer", async () => {
    let isClosed = false;
    const never = new Promise<Uint8Array>(() => {});
    const content = {
      size: 40_000,
      read: () => never,
      close: () => isClosed = true,
    };
    file = { content, isIpxe: false };
    await ask(readRequest("boot.efi", 1000));
    const { port: transfer } = await next();
    await ask(acknowledge(0), transfer);
    await eventually("it is acknowledged", () => clock.pending.length > 0);
    for (let second = 0; second < 120 && !isClosed; second++) {
      await clock.advance(1000);
    }
    await eventually("the transfer ends", () => server.transfers === 0);
    assertEquals([isClosed, server.descriptors], [true, 0]);
    assertEquals(server.ended, { complete: 0, failed: 1, probed: 0 });
  });

  await step("opens no more files than it may have descriptors", async () => {
    const few = new TftpServer({
      port: port + 16,
      interfaceName: "lo",
      maxDescriptors: 3,
      open: () => Promise.resolve({ content: sourceOf(FILE), isIpxe: false }),
      macOf: () => NO_MAC,
      allows: () => true,
      observer: { onBindError() {}, onTransfer() {}, onRefused() {} },
    });
    few.start(["::1"]);
    await ask(REQUEST, port + 16);
    assertEquals(
      opcodeOf((await next()).bytes),
      Opcode.OptionAcknowledgment,
    );
    const other = Deno.listenDatagram({
      transport: "udp",
      hostname: "::1",
      port: 0,
    });
    await other.send(REQUEST, {
      transport: "udp",
      hostname: "::1",
      port: port + 16,
    });
    await eventually("it waits", () => few.waiting === 1);
    // The first was not acknowledged: it makes room.
    await clock.advance(5200);
    const [offer, from] = await other.receive();
    assertEquals(opcodeOf(offer), Opcode.OptionAcknowledgment);
    assertEquals([few.transfers, few.descriptors], [1, 2]);
    await other.send(acknowledge(0), from);
    assertEquals(opcodeOf((await other.receive())[0]), Opcode.Data);
    await ask(REQUEST, port + 16);
    await eventually("the next one waits", () => few.waiting === 1);
    assertEquals([few.transfers, few.descriptors], [1, 2]);
    other.close();
    const stopped = few.stop();
    await clock.advance(200);
    await stopped;
    assertEquals(few.descriptors, 0);
  });

  await t.step("a request above the limit of a client", async (t) => {
    const others: Deno.DatagramConn[] = [];

    /** Sends a request from a new port. Returns the opcode of the first reply. */
    async function requestFromNewPort(
      acknowledges: boolean,
    ): Promise<number | undefined> {
      const other = Deno.listenDatagram({
        transport: "udp",
        hostname: "::1",
        port: 0,
      });
      others.push(other);
      await other.send(REQUEST, { transport: "udp", hostname: "::1", port });
      const [bytes, from] = await other.receive();
      const opcode = opcodeOf(bytes);
      if (acknowledges) {
        await other.send(acknowledge(0), from);
        await other.receive();
      }
      return opcode;
    }

    const groupHooks: StepHooks = {
      before: hooks.before,
      after: async () => {
        for (const other of others.splice(0)) other.close();
        await hooks.after?.();
      },
    };
    const step = stepsWith(t, groupHooks);

    await step(
      "evicts a transfer that is not acknowledged in time, else waits for that",
      async () => {
        for (let count = 0; count < MAX_TFTP_TRANSFERS_PER_CLIENT; count++) {
          assertEquals(
            await requestFromNewPort(false),
            Opcode.OptionAcknowledgment,
          );
        }
        const silent = Deno.listenDatagram({
          transport: "udp",
          hostname: "::1",
          port: 0,
        });
        others.push(silent);
        await silent.send(REQUEST, {
          transport: "udp",
          hostname: "::1",
          port,
        });
        // Firmware gives up after an ERROR: it gets no answer, and asks again.
        // In real time: the transfers must not get older.
        await eventually(
          "the request was read",
          () => server.refused.too_many_transfers === 1,
        );
        await clock.advance(100);
        await silent.send(REQUEST, {
          transport: "udp",
          hostname: "::1",
          port,
        });
        const [first] = await silent.receive();
        assertEquals(opcodeOf(first), Opcode.OptionAcknowledgment);
        for (let count = 1; count < MAX_TFTP_TRANSFERS_PER_CLIENT; count++) {
          assertEquals(
            await requestFromNewPort(false),
            Opcode.OptionAcknowledgment,
          );
        }
        assertEquals(server.transfers, MAX_TFTP_TRANSFERS_PER_CLIENT);
        assertEquals(server.refused.too_many_transfers, 1);
      },
    );

    await step("is refused while all transfers are acknowledged", async () => {
      for (let count = 0; count < MAX_TFTP_TRANSFERS_PER_CLIENT; count++) {
        assertEquals(
          await requestFromNewPort(true),
          Opcode.OptionAcknowledgment,
        );
      }
      assertEquals(await requestFromNewPort(false), Opcode.Error);
      assertEquals(server.transfers, MAX_TFTP_TRANSFERS_PER_CLIENT);
      assertEquals(server.refused.too_many_transfers, 1);
    });
  });
});
