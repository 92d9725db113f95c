import { assert, assertEquals } from "@std/assert";
import {
  MAX_SEGMENTS,
  openUdpSocket,
  sendBuffer,
  UdpSender,
} from "../../../lib/net/udp_sender.ts";

/** How often a sender is opened that was not found. */
const TRIES = 10;

/** A socket, and a sender from another one to it. */
class Pair implements Disposable {
  readonly receiver: Deno.DatagramConn;
  readonly socket: Deno.DatagramConn;
  readonly sender: UdpSender | undefined;

  constructor(hostname = "::1") {
    this.receiver = Deno.listenDatagram({
      transport: "udp",
      hostname: "::1",
      port: 0,
    });
    const { port } = this.receiver.addr as Deno.NetAddr;
    const destination = { transport: "udp", hostname, port } as const;
    let opened = openUdpSocket("::1");
    // Another thread of the runtime may have opened a file meanwhile.
    for (let tries = 1; tries < TRIES && !opened.descriptor; tries++) {
      opened.socket.close();
      opened = openUdpSocket("::1");
    }
    this.socket = opened.socket;
    this.sender = UdpSender.of(opened, destination);
  }

  /** The next datagrams, and the ports that they come from. */
  async receive(count: number): Promise<(readonly [string, number])[]> {
    const received = [];
    for (let index = 0; index < count; index++) {
      const [bytes, from] = await this.receiver.receive(new Uint8Array(65_536));
      const { port } = from as Deno.NetAddr;
      received.push([new TextDecoder().decode(bytes), port] as const);
    }
    return received;
  }

  [Symbol.dispose](): void {
    this.receiver.close();
    this.socket.close();
  }
}

function write(text: string): number {
  return new TextEncoder().encodeInto(text, sendBuffer).written;
}

Deno.test({
  name: "UdpSender",
  ignore: Deno.build.os !== "linux",
  fn: async (t) => {
    for (
      const [words, text, size, datagrams] of [
        ["one datagram", "abc", 3, ["abc"]],
        ["several of a length", "abcdef", 3, ["abc", "def"]],
        ["a last one that is shorter", "abcdefg", 3, ["abc", "def", "g"]],
        ["the most at once", "a".repeat(MAX_SEGMENTS), 1, [
          ..."a".repeat(MAX_SEGMENTS),
        ]],
        ["more than the kernel takes at once", "b".repeat(200), 1, [
          ..."b".repeat(200),
        ]],
      ] as const
    ) {
      await t.step(`sends ${words}, from the port of its socket`, async () => {
        using pair = new Pair();
        assertEquals(pair.sender!.send(write(text), size), text.length);
        const { port } = pair.socket.addr as Deno.NetAddr;
        assertEquals(
          await pair.receive(datagrams.length),
          datagrams.map((datagram) => [datagram, port] as const),
        );
      });
    }

    await t.step("senders of several sockets share the buffer", async () => {
      using one = new Pair();
      using other = new Pair();
      for (const [pair, text] of [[one, "1"], [other, "2"], [one, "3"]]) {
        assertEquals((pair as Pair).sender!.send(write(text as string), 1), 1);
      }
      const texts = async (pair: Pair, count: number) =>
        (await pair.receive(count)).map(([text]) => text);
      assertEquals(await texts(one, 2), ["1", "3"]);
      assertEquals(await texts(other, 1), ["2"]);
    });

    await t.step("tells what the kernel does not take", () => {
      // No host has it.
      using pair = new Pair("fe80::1%lo");
      assertEquals(pair.sender?.send(write("abc"), 1), 0);
    });

    await t.step("knows the zone of an address", () => {
      using known = new Pair("fe80::1%lo");
      assert(known.sender !== undefined);
      using unknown = new Pair("fe80::1%none");
      assertEquals(unknown.sender, undefined);
    });

    await t.step("no other socket is taken for its own", () => {
      const { listenDatagram } = Deno;
      const sockets: Deno.DatagramConn[] = [];
      // The descriptor that was free is another one's then.
      Deno.listenDatagram = ((options: Deno.UdpListenOptions) => {
        const open = () => listenDatagram({ ...options, transport: "udp" });
        sockets.push(open(), open());
        return sockets[1]!;
      }) as unknown as typeof Deno.listenDatagram;
      try {
        const { descriptor } = openUdpSocket("::1");
        assertEquals(sockets.length, 2);
        assertEquals(descriptor, undefined);
      } finally {
        Deno.listenDatagram = listenDatagram;
        for (const socket of sockets) socket.close();
      }
    });
  },
});
