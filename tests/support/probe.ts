/**
 * A program that asks for addresses with MACs of its own making, and compares
 * every answer with what was asked. Runs inside a namespace.
 *
 * Usage: `probe.ts LINK BASE COUNT INTERVAL [MACHINES]` sends `COUNT` Solicits,
 * one every `INTERVAL` milliseconds (0: without a pause), of `MACHINES` machines
 * in turn, or each of another one. When it was kept from running, it does not send
 * what it missed at once: the kernel's queues would lose it. It writes a line of
 * JSON for each right answer, and one at the end.
 *
 * @module
 */

import { MessageType, OptionCode } from "../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../lib/dhcpv6/wire/duid.ts";
import {
  decode,
  encode,
  isRelayMessage,
  type Message,
  type Option,
} from "../../lib/dhcpv6/wire/packet.ts";
import {
  addressOf,
  equalBytes,
  formatIpv6,
  parseIpv6,
} from "../../lib/net/ipv6.ts";

/** Milliseconds after the last message in which second answers are seen, too. */
const LAST_ANSWERS = 1000;

/** Milliseconds without an answer after which those that miss are lost. */
const LOST_AFTER = 5000;

/** Milliseconds of messages that it sends late at most. */
const MAX_CATCH_UP = 20;

const FIRST_MAC = 0x0200_0000_0000;

const [interfaceName, base, count, interval, machines] = [
  Deno.args[0]!,
  parseIpv6(Deno.args[1]!)!,
  Number(Deno.args[2]),
  Number(Deno.args[3]),
  Number(Deno.args[4] ?? Infinity),
];

/** The MAC of message `index`. */
function macOf(index: number): number {
  return FIRST_MAC + (machines === Infinity ? index : index % machines);
}

const socket = Deno.listenDatagram({
  transport: "udp",
  hostname: "::",
  port: 546,
});

/** The message of machine `index`; its transaction ID is the index. */
function solicit(index: number): Uint8Array {
  const iaNa = new Uint8Array(12);
  new DataView(iaNa.buffer).setUint32(0, index);
  return encode({
    type: MessageType.Solicit,
    transactionId: index,
    options: [
      { code: OptionCode.ClientId, data: linkLayerDuid(macOf(index)) },
      { code: OptionCode.IaNa, data: iaNa },
    ],
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function find(message: Message, code: number): Option | undefined {
  return message.options.find((option) => option.code === code);
}

/** Whether an answer is the one to the message of its transaction ID. */
function isRight(message: Message): boolean {
  if (isRelayMessage(message)) return false;
  const mac = macOf(message.transactionId);
  const clientId = find(message, OptionCode.ClientId)?.data;
  const iaNa = find(message, OptionCode.IaNa)?.data;
  const duid = linkLayerDuid(mac);
  return message.type === MessageType.Advertise && clientId !== undefined &&
    iaNa !== undefined && clientId.length === duid.length &&
    equalBytes(clientId, 0, duid, 0, duid.length) &&
    new DataView(iaNa.buffer).getUint32(0) === message.transactionId &&
    formatIpv6(iaNa, 16) === formatIpv6(addressOf(base, mac));
}

/** When each message was sent, and how long answers took, in milliseconds. */
const sentAt = new Float64Array(count);
const waits: number[] = [];
const seen = new Set<number>();
let answered = 0;
let wrong = 0;
let lastAnswerAt = 0;
/** The longest time that it was kept from running, in milliseconds. */
let stalled = 0;

async function listen(): Promise<void> {
  for await (const [bytes] of socket) {
    const message = decode(bytes);
    if (typeof message === "string" || !isRight(message)) wrong++;
    else {
      answered++;
      lastAnswerAt = performance.now();
      const { transactionId } = message as { transactionId: number };
      waits.push(performance.now() - sentAt[transactionId]!);
      seen.add(transactionId);
      if (interval > 0) console.log(JSON.stringify({ time: Date.now() }));
    }
  }
  waits.sort((a, b) => a - b);
  const at = (part: number) => waits[Math.floor(part * waits.length)];
  console.log(
    JSON.stringify({
      sent: count,
      answered,
      distinct: seen.size,
      wrong,
      p50: at(0.5),
      p99: at(0.99),
      stalled,
    }),
  );
}

const listening = listen();
let started = performance.now();
for (let index = 0; index < count; index++) {
  sentAt[index] = performance.now();
  try {
    await socket.send(solicit(index), {
      transport: "udp",
      hostname: `ff02::1:2%${interfaceName}`,
      port: 547,
    });
  } catch {
    // The link is away; the next one may go out again.
  }
  const early = started + (index + 1) * interval - performance.now();
  if (interval > 0 && early > 0) await pause(early);
  started += Math.max(0, -early - MAX_CATCH_UP);
  if (interval > 0) stalled = Math.max(stalled, -early);
}
lastAnswerAt = performance.now();
await pause(LAST_ANSWERS);
while (seen.size < count && performance.now() < lastAnswerAt + LOST_AFTER) {
  await pause(50);
}
socket.close();
await listening;
