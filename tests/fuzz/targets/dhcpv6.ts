/** Fuzzes the DHCPv6 responder with any packet from any source. */

import {
  bootPayload,
  renderTemplate,
  type UrlTemplate,
} from "../../../lib/dhcpv6/reply/url_template.ts";
import { ipxeBuildFor } from "../../../lib/dhcpv6/reply/architectures.ts";
import {
  DROP_REASONS,
  MAX_DHCPV6_PACKET,
  MAX_DHCPV6_REPLY,
} from "../../../lib/dhcpv6/wire/constants.ts";
import {
  type ClientServerMessage,
  decode,
  decodeOptions,
  encode,
  encodeOptions,
  isRelayMessage,
  type Message,
  type Option,
  type RelayMessage,
} from "../../../lib/dhcpv6/wire/packet.ts";
import {
  type Outcome,
  Responder,
  type ResponderOptions,
} from "../../../lib/dhcpv6/reply/responder.ts";
import { ipxeFileName } from "../../../lib/boot_files/ipxe_builds.ts";
import { equalBytes } from "../../../lib/net/ipv6.ts";
import { matchesMac } from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";
import { effortOf } from "../cpu_time.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import {
  anyInput,
  type Arrival,
  arrivalOf,
  changedInput,
  inputOf,
  MAX_INPUT,
  SEEDS,
  SERVER_DUID,
  WORDS,
} from "./dhcpv6_messages.ts";
import {
  baseOf,
  codesIn,
  first,
  hasValidIds,
  isIpxe,
  macOf,
  readRequest,
  type Request,
  vendorOf,
  wellFormed,
} from "./dhcpv6_request.ts";
import { SETTINGS } from "./dhcpv6_settings.ts";

const codec = new Invariant("decode and encode restore the packet");
const isWhole = new Invariant(
  "decoded options are complete, nested ones as well",
);
const dropsForAReason = new Invariant(
  "a drop has a known reason and no reply",
);
const ignoresFlaws = new Invariant(
  "malformed options that a reply does not depend on change nothing",
);
const answersValid = new Invariant(
  "invalid messages are dropped, all others are answered",
);
const leaksNothing = new Invariant("a reply depends on no other packet");
const isSwift = new Invariant(
  "a packet is answered or dropped within 1 ms",
);
const inputStays = new Invariant("the packet is not modified");
const fits = new Invariant("a reply has at most 1232 bytes");
const fitsAlways = new Invariant("a reply to one IA always fits");
const isDecodable = new Invariant("a reply is valid for the strict decoder");
const isFramed = new Invariant("each relay gets a Relay-reply for its level");
const hasRightPort = new Invariant("a reply goes to the right port");
const hasIds = new Invariant(
  "transaction ID, Client ID and Server ID are right",
);
const hasType = new Invariant("a reply has the right type");
const assignsOwn = new Invariant("only the client's own address is assigned");
const answersIas = new Invariant("each IA has the right content");
const hasStatus = new Invariant("the status is right");
const sendsRequested = new Invariant("only requested options are sent");
const bootsRight = new Invariant("the boot URL is right, and the last option");
const knowsMac = new Invariant("the MAC is the client's");

const INVARIANTS: readonly Invariant[] = [
  codec,
  isWhole,
  dropsForAReason,
  ignoresFlaws,
  answersValid,
  leaksNothing,
  isSwift,
  inputStays,
  fits,
  fitsAlways,
  isDecodable,
  isFramed,
  hasRightPort,
  hasIds,
  hasType,
  assignsOwn,
  answersIas,
  hasStatus,
  sendsRequested,
  bootsRight,
  knowsMac,
];

/** Fills the reply buffer, so that unwritten bytes are recognized. */
const UNWRITTEN = 0xa5;

/** One in 8 replies is compared with that of a new responder. */
const COMPARED = 8;

/** Milliseconds that a responder may take for a packet. */
const TIME_LIMIT = 1;

/** What a reply must be computed from. */
interface Expected {
  readonly arrival: Arrival;
  readonly options: ResponderOptions;
  readonly request: Request;
  /** The first 80 bits of the client's subnet, as digits. */
  readonly base: string;
  /** 12 digits; an Information-request may have none. */
  readonly mac: string | undefined;
}

/** Fuzzes one responder per configuration with a sequence of packets. */
export class Dhcpv6Target implements Target {
  readonly name = "dhcpv6";
  readonly weight = 400;
  readonly maxLength = MAX_INPUT;
  readonly invariants = INVARIANTS;
  readonly seeds = SEEDS;
  readonly words = WORDS;
  readonly change = changedInput;

  readonly #responders = SETTINGS.map((options) =>
    new Responder(options, SERVER_DUID)
  );
  readonly #buffer = new Uint8Array(MAX_DHCPV6_PACKET + 1);
  readonly #answer = new Uint8Array(MAX_DHCPV6_REPLY);
  #samples: Uint8Array[] = [];

  make(random: Random): Uint8Array {
    if (random.once(4)) {
      return inputOf(
        random.below(SETTINGS.length),
        0,
        random.octets(random.below(120)),
      );
    }
    if (this.#samples.length === 0) {
      this.#samples = fc.sample(anyInput, {
        seed: random.next() | 0,
        numRuns: 500,
      });
    }
    return this.#samples.pop()!;
  }

  run(input: Uint8Array): string {
    const arrival = arrivalOf(input);
    const { packet } = arrival;
    const length = Math.min(packet.length, this.#buffer.length);
    // As in the server, the buffer keeps the end of a longer previous packet.
    this.#buffer.set(packet.subarray(0, length));
    this.#answer.fill(UNWRITTEN);
    const { responder, outcome } = this.#respond(arrival, length);
    inputStays.holds(equalBytes(this.#buffer, 0, packet, 0, length));
    const answer = this.#answer.slice(0, outcome.length);
    if (this.#isCompared(input)) compare(arrival, outcome, answer);
    checkCodec(packet);
    const options = SETTINGS[arrival.settings]!;
    const request = length > MAX_DHCPV6_PACKET
      ? undefined
      : readRequest(packet);
    if (request !== undefined && responder.packet.malformed.total > 0) {
      compareWithWellFormed(arrival, wellFormed(request), outcome, answer);
    }
    const expected = request && expectedOf(request, arrival, options);
    if (outcome.drop !== undefined) {
      dropsForAReason.holds(
        outcome.length === 0 && DROP_REASONS.includes(outcome.drop),
        () => outcome,
      );
      checkDrop(outcome, expected);
      const { type, depth } = responder.packet;
      return `${outcome.drop} ${Math.min(type, 14)} ${depth}`;
    }
    answersValid.holds(expected !== undefined, () => ({ request, outcome }));
    return checkReply(expected!, outcome, answer);
  }

  #respond(
    { settings, sender, port, isLinkScoped }: Arrival,
    length: number,
  ): { responder: Responder; outcome: Outcome } {
    const responder = this.#responders[settings]!;
    const respond = () =>
      responder.respond(
        this.#buffer,
        length,
        sender,
        port,
        isLinkScoped,
        this.#answer,
      );
    const start = performance.now();
    const outcome = respond();
    const took = performance.now() - start;
    // CPU time decides: another process may have used the processor meanwhile.
    isSwift.holds(
      took <= TIME_LIMIT || effortOf(respond) <= TIME_LIMIT,
      () => `${took} ms`,
    );
    return { responder, outcome };
  }

  #isCompared(input: Uint8Array): boolean {
    // By content, so that the same input is always compared.
    let sum = input.length;
    for (const byte of input) sum += byte;
    return sum % COMPARED === 0;
  }
}

/** The reply of a new responder, in a buffer without leftovers. */
function respondAnew(
  { settings, sender, port, isLinkScoped }: Arrival,
  packet: Uint8Array,
): { fresh: Uint8Array; expected: Outcome } {
  const fresh = new Uint8Array(MAX_DHCPV6_REPLY);
  const expected = new Responder(SETTINGS[settings]!, SERVER_DUID).respond(
    packet,
    packet.length,
    sender,
    port,
    isLinkScoped,
    fresh,
  );
  return { fresh, expected };
}

/** Compares with the reply of a new responder. */
function compare(
  arrival: Arrival,
  outcome: Outcome,
  answer: Uint8Array,
): void {
  const { fresh, expected } = respondAnew(arrival, arrival.packet);
  const { mac, otherMac } = expected.clientMac;
  leaksNothing.holds(
    outcome.drop === expected.drop && outcome.length === expected.length &&
      equalBytes(answer, 0, fresh, 0, expected.length) &&
      outcome.subnet === expected.subnet && outcome.event === expected.event &&
      outcome.note === expected.note && outcome.clientMac.mac === mac &&
      outcome.clientMac.otherMac === otherMac,
    () => ({ outcome, expected }),
  );
}

/** Compares with the reply to the same message without malformed options. */
function compareWithWellFormed(
  arrival: Arrival,
  packet: Uint8Array,
  outcome: Outcome,
  answer: Uint8Array,
): void {
  const { fresh, expected } = respondAnew(arrival, packet);
  ignoresFlaws.holds(
    outcome.drop === expected.drop && outcome.length === expected.length &&
      equalBytes(answer, 0, fresh, 0, expected.length) &&
      outcome.event === expected.event &&
      outcome.replyPort === expected.replyPort,
    () => ({ outcome, expected, packet: packet.toHex() }),
  );
}

function checkCodec(packet: Uint8Array): void {
  const message: Message | string = decode(packet);
  if (typeof message === "string") return;
  const written = encode(message);
  codec.holds(
    written.length === packet.length &&
      equalBytes(written, 0, packet, 0, packet.length),
    () => written.toHex(),
  );
  for (const { code, data } of message.options) {
    isWhole.holds(isTiled(code, data), () => [code, data.toHex()]);
  }
}

/** Bytes before the nested options, by option code. */
const HEADERS: Readonly<Record<number, number>> = {
  3: 12,
  4: 4,
  5: 24,
  25: 12,
  26: 25,
};

/** Whether the nested options fill an option exactly, at all levels. */
function isTiled(code: number, data: Uint8Array): boolean {
  const header = HEADERS[code];
  if (header === undefined) return true;
  let at = header;
  while (at + 4 <= data.length) {
    const inner = data[at]! << 8 | data[at + 1]!;
    const end = at + 4 + (data[at + 2]! << 8 | data[at + 3]!);
    if (end > data.length || !isTiled(inner, data.subarray(at + 4, end))) {
      return false;
    }
    at = end;
  }
  return at === data.length;
}

/** What the reply must be computed from; `undefined` if there must be none. */
function expectedOf(
  request: Request,
  arrival: Arrival,
  options: ResponderOptions,
): Expected | undefined {
  const { relays, client } = request;
  if (relays.length === 0) {
    const sender = arrival.sender.toHex();
    if (!arrival.isLinkScoped) return undefined;
    const base = options.subnets[0]!.bytes.toHex().slice(0, 20);
    const own = `${base}${macOf(request, arrival, options).mac}`;
    if (!/^fe[89ab]/.test(sender) && sender !== own) return undefined;
  }
  if (!hasValidIds(client, SERVER_DUID)) return undefined;
  const base = baseOf(request, arrival, options);
  if (base === undefined) return undefined;
  const { mac } = macOf(request, arrival, options);
  if (mac === undefined) {
    if (client.type !== 11) return undefined;
  } else {
    const number = parseInt(mac, 16);
    const { allow, deny } = options;
    if (matchesMac(deny, number)) return undefined;
    if (allow.length > 0 && !matchesMac(allow, number)) return undefined;
  }
  if (client.type === 4 && ownersIn(client, base, mac!).length === 0) {
    return undefined;
  }
  return { arrival, options, request, base, mac };
}

function checkDrop(outcome: Outcome, expected: Expected | undefined): void {
  const isTooLong = outcome.drop === "answer_too_long";
  answersValid.holds(
    isTooLong === (expected !== undefined),
    () => ({ outcome, expected }),
  );
  if (isTooLong) {
    fitsAlways.holds(!alwaysFits(expected!.request), () => expected);
  }
}

/** Whether every accepted configuration has a reply to this that fits. */
function alwaysFits({ relays, client }: Request): boolean {
  const ias = client.options.filter(({ code }) => IA.includes(code));
  return relays.length === 0 && ias.length <= 1 &&
    first(client.options, 39) === undefined;
}

/** The options inside an IA; `undefined` if they are invalid. */
function insideIa({ code, data }: Option): readonly Option[] | undefined {
  const inside = decodeOptions(data, code === 4 ? 4 : 12);
  return typeof inside === "string" ? undefined : inside;
}

/** The addresses in an IA of a request, as digits. */
function addressesIn(ia: Option): string[] {
  // There may be more options than the strict decoder accepts.
  const { data } = ia;
  const addresses: string[] = [];
  for (let at = ia.code === 4 ? 4 : 12; at + 4 <= data.length;) {
    const code = data[at]! << 8 | data[at + 1]!;
    const length = data[at + 2]! << 8 | data[at + 3]!;
    if (code === 5) addresses.push(data.subarray(at + 4, at + 20).toHex());
    at += 4 + length;
  }
  return addresses;
}

/** Whether each address in a message is the client's own. */
function ownersIn(
  { options }: ClientServerMessage,
  base: string,
  mac: string,
): boolean[] {
  return options.filter(({ code }) => code === 3 || code === 4)
    .flatMap(addressesIn).map((address) => address === base + mac);
}

/** Checks a reply; returns a summary of it. */
function checkReply(
  expected: Expected,
  outcome: Outcome,
  answer: Uint8Array,
): string {
  const { request, arrival, mac } = expected;
  fits.holds(
    outcome.length <= MAX_DHCPV6_REPLY && outcome.length > 0,
    () => outcome.length,
  );
  if (alwaysFits(request)) fitsAlways.checked++;
  const reply = checkFrame(request, answer);
  checkPort(request, arrival, outcome);
  const { isDisputed } = macOf(request, arrival, expected.options);
  knowsMac.holds(
    outcome.clientMac.mac === (mac === undefined ? -1 : parseInt(mac, 16)) &&
      (outcome.clientMac.otherMac !== -1) === isDisputed,
    () => ({ expected, outcome }),
  );
  checkIds(request, reply);
  const assigned = checkIas(expected, reply, outcome.length);
  checkStatus(expected, reply);
  checkRequested(expected, reply, assigned);
  checkBoot(expected, reply);
  const codes = reply.options.map(({ code, data }) =>
    code === 3
      ? `3:${data.length > 60 ? "n" : data.length}`
      : code === 13
      ? `13:${data[1]}`
      : code === 59
      ? `59:${data[0]! & 7}`
      : code
  );
  return [
    request.client.type,
    reply.type,
    request.relays.length,
    [...new Set(codes)].sort().join(","),
    outcome.event,
    outcome.note,
    outcome.clientMac.source,
    isDisputed,
    answer.length >> 8,
  ].join(" ");
}

/** Checks the Relay-reply levels; returns the reply inside. */
function checkFrame(
  { relays }: Request,
  answer: Uint8Array,
): ClientServerMessage {
  let bytes = answer;
  for (const relay of relays) {
    const level = readLevel(bytes);
    isFramed.holds(
      isRelayMessage(level) && level.type === 13 &&
        level.hopCount === relay.hopCount &&
        level.linkAddress === relay.linkAddress &&
        level.peerAddress === relay.peerAddress,
      () => ({ level, relay }),
    );
    const inner = level.options.at(-1);
    isFramed.holds(
      inner?.code === 9 &&
        same(level.options.slice(0, -1), mirrored(relay.options)),
      () => ({ level, relay }),
    );
    bytes = inner!.data;
  }
  const message = readWhole(bytes);
  isFramed.holds(!isRelayMessage(message));
  const reply = message as ClientServerMessage;
  for (const option of reply.options) {
    if (![3, 4, 25].includes(option.code)) continue;
    isDecodable.holds(insideIa(option) !== undefined, () => option);
  }
  return reply;
}

/** User class and vendor class: strings, which a relay may have got wrong. */
const CLASSES = [15, 16];

/** What their codes are while a level is read. */
const HIDDEN = 0xff00;

/**
 * Reads a level of a Relay-reply. What the relay asked to have echoed is as it
 * sent it (RFC 4994 section 5), also if the strings in it are malformed.
 */
function readLevel(bytes: Uint8Array): RelayMessage {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (let at = 34; at + 4 <= copy.length;) {
    const code = view.getUint16(at);
    if (CLASSES.includes(code)) view.setUint16(at, HIDDEN | code);
    at += 4 + view.getUint16(at + 2);
  }
  const level = readWhole(copy) as RelayMessage;
  const options = level.options.map(({ code, data }) => ({
    code: code >= HIDDEN && CLASSES.includes(code - HIDDEN)
      ? code - HIDDEN
      : code,
    data,
  }));
  return { ...level, options };
}

function readWhole(bytes: Uint8Array): Message {
  const message = decode(bytes);
  isDecodable.holds(
    typeof message !== "string",
    () => [message, bytes.toHex()],
  );
  return message as Message;
}

/** The options that a relay gets besides the Relay Message. */
function mirrored(options: readonly Option[]): Option[] {
  const own = [18, 135].flatMap((wanted) =>
    options.filter(({ code }) => code === wanted).slice(0, 1)
  );
  const echoed = new Set(codesIn(first(options, 43)));
  return [
    ...own,
    ...options.filter(({ code }) =>
      ![9, 18, 135].includes(code) && echoed.has(code)
    ),
  ];
}

/** Whether two lists have the same options, in any order. */
function same(a: readonly Option[], b: readonly Option[]): boolean {
  if (a.length === 0 && b.length === 0) return true;
  const text = (options: readonly Option[]) =>
    options.map(({ code, data }) => `${code} ${data.toHex()}`).sort().join();
  return text(a) === text(b);
}

function checkPort(
  { relays }: Request,
  { port }: Arrival,
  { replyPort }: Outcome,
): void {
  const isRelays = relays.length > 0 &&
    first(relays[0]!.options, 135) === undefined;
  hasRightPort.holds(replyPort === (isRelays ? 547 : port), () => replyPort);
}

function count({ options }: ClientServerMessage, wanted: number): number {
  let count = 0;
  for (const { code } of options) if (code === wanted) count++;
  return count;
}

function checkIds({ client }: Request, reply: ClientServerMessage): void {
  const isCommitted = client.type === 1 && count(client, 14) > 0;
  hasType.holds(
    reply.type === (client.type === 1 && !isCommitted ? 2 : 7) &&
      count(reply, 14) === (isCommitted ? 1 : 0),
    () => reply,
  );
  const requested = first(client.options, 1);
  hasIds.holds(
    reply.transactionId === client.transactionId &&
      count(reply, 1) === (requested === undefined ? 0 : 1) &&
      first(reply.options, 1)?.toHex() === requested?.toHex() &&
      count(reply, 2) === 1 &&
      first(reply.options, 2)!.toHex() === SERVER_DUID.toHex(),
    () => ({ client, reply }),
  );
}

const IA = [3, 4, 25];

/** Bytes of an address of lifetime 0 in a reply. */
const ENDED_LENGTH = 28;

/**
 * Checks the IAs of a reply; returns whether each got an address.
 *
 * @param length Bytes of the whole reply.
 */
function checkIas(
  expected: Expected,
  reply: ClientServerMessage,
  length: number,
): boolean {
  const { client } = expected.request;
  const requested = client.options.filter(({ code }) => IA.includes(code));
  const answered = reply.options.filter(({ code }) => IA.includes(code));
  switch (client.type) {
    case 4:
    case 11:
      answersIas.holds(answered.length === 0, () => reply);
      return true;
    case 8:
    case 9: {
      const own = expected.base + expected.mac;
      const refused = requested.filter((ia) =>
        ia.code === 25 || addressesIn(ia).some((address) => address !== own)
      );
      answersIas.holds(refused.length === answered.length, () => reply);
      refused.forEach((ia, index) => checkRefused(ia, answered[index]!, 3));
      return true;
    }
  }
  answersIas.holds(requested.length === answered.length, () => reply);
  let assigned = true;
  let isFirst = true;
  const own = expected.base + expected.mac;
  const ended = new EndedAddresses(length);
  requested.forEach((ia, index) => {
    const answer = answered[index]!;
    // RFC 8415 section 18.3.4: what the client is to drop has lifetimes of 0.
    const others = [5, 6].includes(client.type) && ia.code !== 25
      ? addressesIn(ia).filter((address) => address !== own)
      : [];
    if (others.length > 0 && (ia.code === 4 || !isFirst)) {
      checkHead(ia, answer);
      ended.check(insideIa(answer)!, others);
      assigned = false;
      return;
    }
    if (ia.code !== 3) {
      checkRefused(ia, answer, ia.code === 4 ? 2 : 6);
      assigned = false;
      return;
    }
    const prefix = expected.base.slice(0, 16);
    const isElsewhere = client.type === 3 &&
      addressesIn(ia).some((address) =>
        !address.startsWith(prefix) && !/^0{32}$/.test(address)
      );
    if (isElsewhere || !isFirst) {
      checkRefused(ia, answer, isElsewhere ? 4 : 2);
      assigned = false;
    } else {
      checkAssigned(expected, ia, answer);
      ended.check(insideIa(answer)!.slice(1), others);
    }
    isFirst = false;
  });
  return assigned;
}

/** Addresses of lifetime 0: all, or the first ones in a reply that is full. */
class EndedAddresses {
  #isCut = false;

  constructor(readonly length: number) {}

  check(given: readonly Option[], addresses: readonly string[]): void {
    const isComplete = given.length === addresses.length;
    assignsOwn.holds(
      given.length <= addresses.length &&
        (!this.#isCut || given.length === 0) &&
        (isComplete || this.length + ENDED_LENGTH > MAX_DHCPV6_REPLY) &&
        given.every(({ code, data }, index) =>
          code === 5 && data.subarray(16).toHex() === "0".repeat(16) &&
          data.subarray(0, 16).toHex() === addresses[index]
        ),
      () => ({ given, addresses, length: this.length }),
    );
    if (!isComplete) this.#isCut = true;
  }
}

/** Checks that an IA has the IAID of the client, and T1 and T2 of 0. */
function checkHead(ia: Option, answer: Option): void {
  const head = ia.code === 4 ? 4 : 12;
  answersIas.holds(
    answer.code === ia.code &&
      equalBytes(answer.data, 0, ia.data, 0, 4) &&
      answer.data.subarray(4, head).every((byte) => byte === 0),
    () => ({ ia, answer }),
  );
}

/** Checks an IA with a status and nothing else. */
function checkRefused(ia: Option, answer: Option, status: number): void {
  const inside = insideIa(answer)!;
  checkHead(ia, answer);
  answersIas.holds(
    inside.length === 1 && inside[0]!.code === 13 &&
      codesIn(inside[0]!.data)[0] === status,
    () => ({ ia, answer, status }),
  );
}

/** Checks the beginning of an IA_NA with the client's address. */
function checkAssigned(
  { options, base, mac }: Expected,
  ia: Option,
  answer: Option,
): void {
  const { preferredLifetime, validLifetime } = options;
  const numbers = new DataView(answer.data.buffer, answer.data.byteOffset);
  const part = (factor: number) =>
    preferredLifetime === 0xffff_ffff
      ? preferredLifetime
      : Math.floor(preferredLifetime * factor);
  answersIas.holds(
    answer.code === 3 && equalBytes(answer.data, 0, ia.data, 0, 4) &&
      numbers.getUint32(4) === part(0.5) &&
      numbers.getUint32(8) === part(0.875),
    () => ({ ia, answer }),
  );
  const own = base + mac;
  const [given] = insideIa(answer)!;
  const lifetimes = ({ data }: Option) => data.subarray(16).toHex();
  const digits = (number: number) => number.toString(16).padStart(8, "0");
  assignsOwn.holds(
    given?.code === 5 && given.data.subarray(0, 16).toHex() === own &&
      lifetimes(given) === digits(preferredLifetime) + digits(validLifetime),
    () => answer,
  );
}

function checkStatus(
  { request: { client }, base, mac }: Expected,
  reply: ClientServerMessage,
): void {
  const status = reply.options.filter(({ code }) => code === 13)
    .map(({ data }) => codesIn(data)[0]);
  const expected = client.type === 4
    ? [ownersIn(client, base, mac!).every((isOwn) => isOwn) ? 0 : 4]
    : client.type === 8 || client.type === 9
    ? [0]
    : [];
  hasStatus.holds(String(status) === String(expected), () => reply);
}

/** Options with a check of their own. */
const STRUCTURE = [1, 2, 3, 4, 13, 14, 16, 25, 59];

function checkRequested(
  { options, request: { client } }: Expected,
  reply: ClientServerMessage,
  assigned: boolean,
): void {
  const sent = reply.options.filter(({ code }) => !STRUCTURE.includes(code));
  const expected: Option[] = [];
  if (reply.type === 2 && assigned && options.preference > 0) {
    expected.push({ code: 7, data: Uint8Array.of(options.preference) });
  }
  if (![4, 8, 9].includes(client.type)) {
    const requested = codesIn(first(client.options, 6));
    for (const option of options.onRequest) {
      if (requested.includes(option.code)) expected.push(option);
    }
    const name = requested.includes(39) ? first(client.options, 39) : undefined;
    if (name !== undefined) {
      const data = name.slice();
      data[0] = (name[0]! & 1) === 1 ? 6 : 4;
      expected.push({ code: 39, data });
    }
  }
  sendsRequested.holds(
    encodeOptions(sent).toHex() === encodeOptions(expected).toHex(),
    () => ({ sent, expected }),
  );
}

function checkBoot(expected: Expected, reply: ClientServerMessage): void {
  const url = bootUrlOf(expected);
  const isHttp = url !== undefined &&
    vendorOf(expected.request.client) === "HTTPClient";
  bootsRight.holds(
    count(reply, 59) === (url === undefined ? 0 : 1) &&
      count(reply, 60) === 0 &&
      first(reply.options, 16)?.toHex() === (isHttp ? HTTP_CLIENT : undefined),
    () => reply,
  );
  if (url === undefined) return;
  const last = reply.options.at(-1)!;
  bootsRight.holds(
    last.code === 59 && new TextDecoder().decode(last.data) === url,
    () => ({ reply, url }),
  );
}

/** Enterprise number 343, and a string with its length. */
const HTTP_CLIENT = `00000157000a${
  new TextEncoder().encode("HTTPClient").toHex()
}`;

/** The boot URL that a client must get. */
function bootUrlOf(
  { options, request: { client }, mac, base }: Expected,
): string | undefined {
  const { boot, subnets } = options;
  if (
    boot === undefined || mac === undefined ||
    [4, 8, 9].includes(client.type) || !boot.isBootAllowed(parseInt(mac, 16))
  ) return undefined;
  const vendor = vendorOf(client);
  const text = mac.match(/../g)!.join(":");
  const architectures = codesIn(first(client.options, 61)).slice(0, 8);
  const requested = codesIn(first(client.options, 6));
  const urlOf = (template: UrlTemplate | undefined) =>
    template && renderTemplate(template, {
      MAC: text,
      BaseAddress: subnets.find(({ bytes }) => bytes.toHex().startsWith(base))!
        .text,
      BootAddress: boot.bootAddress,
      Payload: bootPayload(architectures),
    });
  if (vendor !== "PXEClient" && vendor !== "HTTPClient") {
    if (!requested.includes(59)) return undefined;
    if (vendor === "U-Boot") return urlOf(boot.urls.get("u-boot"));
    if (architectures.includes(41)) {
      return boot.builds && `tftp://[${boot.tftpAddress}]/`;
    }
    const isGrub = architectures.length === 0 && requested.length === 2 &&
      requested.includes(23);
    return urlOf(boot.urls.get(isGrub ? "grub" : "loader"));
  }
  if (vendor === "HTTPClient") return urlOf(boot.template);
  if (isIpxe(client)) {
    return boot.script === undefined
      ? urlOf(boot.template)
      : boot.script.protocol === "tftp"
      ? `tftp://[${boot.tftpAddress}]/${text}/boot.ipxe`
      : `http://[${boot.bootAddress}]:${boot.script.port}/mac/${text}/boot.ipxe`;
  }
  if (architectures.some((one) => [11, 19, 22, 24].includes(one))) {
    const url = urlOf(boot.urls.get("pxe-arm64"));
    if (url !== undefined) return url;
  }
  const build = (architectures.length === 0 ? [7] : architectures)
    .map(ipxeBuildFor)
    .find((build) => build !== undefined && boot.builds?.has(build));
  return build &&
    `tftp://[${boot.tftpAddress}]/${text}/${ipxeFileName(build)}`;
}
