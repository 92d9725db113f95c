/**
 * The TFTP server: read only, one socket for each transfer.
 *
 * @module
 */

import {
  MAX_PENDING_REPLIES,
  MAX_TFTP_REPLY,
  MAX_TFTP_REQUEST,
  MAX_TFTP_TRANSFERS,
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  TFTP_EVICTION_IDLE_TIMEOUT,
} from "../overload/limits.ts";
import {
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_progress.ts";
import { UdpSockets } from "../net/udp_sockets.ts";
import { isLinkLocal, parseIpv6 } from "../net/ipv6.ts";
import { type Mac, parseMac } from "../net/mac.ts";
import { Alarm } from "./deadline_timer.ts";
import { delay } from "../overload/timeout.ts";
import { toNetascii } from "./netascii.ts";
import {
  decodeRequest,
  encodeError,
  ErrorCode,
  Opcode,
  opcodeOf,
  type Request,
} from "./packet.ts";
import { agree, Transfer } from "./transfer.ts";

/** What a request path stands for. */
export interface RequestedFile {
  readonly mac: Mac;
  /** What comes behind the MAC. */
  readonly name: string;
}

/**
 * Reads the path of a request, `<mac>/<name>`; leading slashes do not count.
 * `undefined` if it begins with no MAC.
 */
export function parseRequestPath(path: string): RequestedFile | undefined {
  const match = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(path);
  const mac = match === null ? undefined : parseMac(match[1]!);
  return mac === undefined ? undefined : { mac, name: match![2] ?? "" };
}

/** Why a request is not served. Each has a counter. */
export const TFTP_REFUSALS = [
  "no_request",
  "source_not_allowed",
  "write_request",
  "no_mac",
  "file_not_found",
  "too_many_transfers",
  "other_transfer",
  "unanswered",
] as const;
export type TftpRefusal = typeof TFTP_REFUSALS[number];

/** Milliseconds that a socket rests after the kernel refused to read from it. */
const RECEIVE_PAUSE = 100;

/** What the server works with. */
export interface TftpServerOptions {
  readonly port: number;
  /** The interface whose link-local addresses clients have. */
  readonly interfaceName: string;
  /** Transfers at once; `MAX_TFTP_TRANSFERS` if it is not given. */
  readonly maxTransfers?: number;
  /** The file of a request; `undefined` if there is none. */
  readonly open: (file: RequestedFile) => Promise<Uint8Array | undefined>;
  /** Whether an address is answered at all. */
  readonly allows: (hostname: string) => boolean;
  readonly observer: TftpObserver;
}

/** Whoever wants to know what a server does. Nothing here may wait. */
export interface TftpObserver {
  /** TFTP cannot be served at this address. */
  tftpRefused(hostname: string, error: Error): void;
  /** A transfer that `client` has confirmed begins, goes on or ends. */
  transferring(mac: Mac, client: string, detail: TransferDetail): void;
}

/** A transfer and what goes with it. */
interface Running {
  /** The request as it came. */
  readonly asked: Uint8Array;
  readonly transfer: Transfer;
  readonly socket: Deno.DatagramConn;
  /** The client as it is seen. */
  readonly client: Deno.NetAddr;
  /** The client as it is reached: a link-local address needs its zone. */
  readonly destination: Deno.NetAddr;
  /** What is sent next is written here. */
  readonly packet: Uint8Array;
  isSending: boolean;
}

/** Serves files over TFTP. */
export class TftpServer {
  /** Requests served, by how they ended. */
  readonly ended = { complete: 0, failed: 0, probed: 0 };
  /** Octets of files that clients have confirmed. */
  sentBytes = 0;
  /** Requests not served. */
  readonly refused: Record<TftpRefusal, number> = {
    no_request: 0,
    source_not_allowed: 0,
    write_request: 0,
    no_mac: 0,
    file_not_found: 0,
    too_many_transfers: 0,
    other_transfer: 0,
    unanswered: 0,
  };

  readonly #options: TftpServerOptions;
  readonly #sockets: UdpSockets;
  /** Transfers by the client's address and port. */
  readonly #running = new Map<string, Running | undefined>();
  /** Refusals that wait to be sent. */
  #refusing = 0;
  /** What resolves when they end. */
  readonly #ends = new Set<Promise<void>>();

  constructor(options: TftpServerOptions) {
    this.#options = options;
    this.#sockets = new UdpSockets({
      port: options.port,
      onOpen: (socket, hostname) => void this.#serve(socket, hostname),
      onRefused: (hostname, error) =>
        options.observer.tftpRefused(hostname, error),
    });
  }

  /** How many transfers go on. */
  get transfers(): number {
    return this.#running.size;
  }

  /** Listens at these addresses, and at no others. */
  bind(hostnames: readonly string[]): void {
    this.#sockets.bind(hostnames);
  }

  /** Takes no new requests; transfers go on. */
  stopListening(): void {
    this.#sockets.close();
  }

  /** Resolves when no transfer goes on. */
  async finished(): Promise<void> {
    await Promise.all(this.#ends);
  }

  /** Ends everything. */
  stop(): void {
    this.#sockets.close();
    for (const running of this.#running.values()) {
      running?.transfer.cancel("the server stops");
      running?.socket.close();
    }
  }

  async #serve(socket: Deno.DatagramConn, hostname: string): Promise<void> {
    const buffer = new Uint8Array(MAX_TFTP_REQUEST + 1);
    while (true) {
      try {
        const [bytes, from] = await socket.receive(buffer);
        const client = from as Deno.NetAddr;
        const error = this.#accept(bytes.slice(), client, hostname);
        if (error !== undefined) void this.#refuse(socket, error, client);
      } catch {
        if (!this.#sockets.has(socket)) return;
        await delay(RECEIVE_PAUSE);
      }
    }
  }

  /**
   * Says why not, without waiting: what is sent to an address that nobody has
   * takes three seconds. Who hears nothing asks again.
   */
  async #refuse(
    socket: Deno.DatagramConn,
    error: Uint8Array,
    client: Deno.NetAddr,
  ): Promise<void> {
    if (this.#refusing >= MAX_PENDING_REPLIES) {
      this.refused.unanswered++;
      return;
    }
    this.#refusing++;
    await sendOrLose(socket, error, this.#destination(client)).catch(() => {});
    this.#refusing--;
  }

  /** Begins what a packet at the well-known port asks for, or says why not. */
  #accept(
    bytes: Uint8Array,
    client: Deno.NetAddr,
    hostname: string,
  ): Uint8Array | undefined {
    const { refused } = this;
    if (!this.#options.allows(client.hostname)) {
      refused.source_not_allowed++;
      return undefined;
    }
    const request = bytes.length > MAX_TFTP_REQUEST
      ? undefined
      : decodeRequest(bytes);
    if (request === undefined) {
      refused.no_request++;
      // An ERROR is never answered, and what is no request at all neither: two
      // servers would talk for ever.
      const opcode = opcodeOf(bytes);
      return opcode === Opcode.ReadRequest || opcode === Opcode.WriteRequest
        ? encodeError(ErrorCode.IllegalOperation, "malformed request")
        : undefined;
    }
    if (request.opcode === Opcode.WriteRequest) {
      refused.write_request++;
      return encodeError(ErrorCode.AccessViolation, "read only");
    }
    const file = parseRequestPath(request.fileName);
    if (file === undefined) {
      refused.no_mac++;
      return encodeError(ErrorCode.FileNotFound, "the path is MAC/NAME");
    }
    const key = `${client.hostname} ${client.port}`;
    if (this.#running.has(key)) {
      const running = this.#running.get(key);
      // The same request again: the client or the network repeats it. The
      // answer is on the way or was lost, and the transfer itself repeats that.
      if (running === undefined || isRepeated(bytes, running)) return undefined;
      // Its client is there and wants the one that it has: another request is
      // not from it. Whoever begins anew has let the old one stand still.
      if (isGoingOn(running)) {
        refused.other_transfer++;
        return undefined;
      }
      this.#end(key, running, "the client has begun another transfer");
    }
    const { maxTransfers = MAX_TFTP_TRANSFERS } = this.#options;
    const own = this.#transfersOf(client.hostname);
    const hasCapacity = own.length < MAX_TFTP_TRANSFERS_PER_CLIENT
      ? this.#running.size < maxTransfers ||
        this.#makeRoom(this.#running)
      // One client that is there has not more than it may have.
      : this.#makeRoom(own.filter(([, running]) => isForsaken(running)));
    if (!hasCapacity) {
      refused.too_many_transfers++;
      return encodeError(ErrorCode.NotDefined, "too many transfers at once");
    }
    const end = this.#transfer(key, bytes, request, file, client, hostname);
    this.#ends.add(end);
    void end.then(() => this.#ends.delete(end));
    return undefined;
  }

  #destination(client: Deno.NetAddr): Deno.NetAddr {
    const address = parseIpv6(client.hostname);
    return address === undefined || !isLinkLocal(address) ? client : {
      ...client,
      hostname: `${client.hostname}%${this.#options.interfaceName}`,
    };
  }

  #transfersOf(hostname: string): [string, Running | undefined][] {
    return [...this.#running].filter(([key]) => key.startsWith(`${hostname} `));
  }

  /**
   * Ends the oldest of these transfers that nobody has confirmed: a request is
   * easily sent in the name of somebody who is not there, and shall keep nobody
   * out who is. If all are confirmed, the one that has stood still for the
   * longest time, if that is long.
   */
  #makeRoom(among: Iterable<[string, Running | undefined]>): boolean {
    const now = performance.now();
    let stillest: [string, Running] | undefined;
    let standstill = TFTP_EVICTION_IDLE_TIMEOUT;
    for (const [key, running] of among) {
      if (running === undefined) continue;
      const { transfer } = running;
      if (transfer.state === "offered") {
        this.#end(key, running, "others have come, and it was never confirmed");
        return true;
      }
      const still = transfer.standstill(now);
      if (still < standstill) continue;
      standstill = still;
      stillest = [key, running];
    }
    if (stillest === undefined) return false;
    this.#end(...stillest, "others have come, and it stood still");
    return true;
  }

  #end(key: string, { transfer, socket }: Running, reason: string): void {
    transfer.cancel(reason);
    closeQuietly(socket);
    this.#running.delete(key);
  }

  async #transfer(
    key: string,
    asked: Uint8Array,
    request: Request,
    file: RequestedFile,
    client: Deno.NetAddr,
    hostname: string,
  ): Promise<void> {
    this.#running.set(key, undefined);
    let socket: Deno.DatagramConn | undefined;
    let running: Running | undefined;
    try {
      let content = await this.#options.open(file);
      // The answer comes from the address that was asked (RFC 1123 §4.2.3.1
      // wants what RFC 1350 §4 forgot).
      socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      if (content === undefined) {
        this.refused.file_not_found++;
        const error = encodeError(ErrorCode.FileNotFound, "no such file");
        await socket.send(error, this.#destination(client));
        return;
      }
      if (request.mode === "netascii") content = toNetascii(content);
      const transfer = new Transfer(
        content,
        agree(request, content.length),
        performance.now(),
      );
      const destination = this.#destination(client);
      const packet = new Uint8Array(transfer.packetSize);
      running = {
        asked,
        transfer,
        socket,
        client,
        destination,
        packet,
        isSending: false,
      };
      this.#running.set(key, running);
      await this.#run(running, file);
      const { state, sentOctets } = transfer;
      this.sentBytes += sentOctets;
      if (state === "complete" || state === "probed") this.ended[state]++;
      else this.ended.failed++;
    } catch {
      // The address went away: the client asks again, elsewhere.
      this.ended.failed++;
    } finally {
      closeQuietly(socket);
      if (this.#running.get(key) === running) this.#running.delete(key);
    }
  }

  /** Moves packets until the transfer is over. */
  async #run(running: Running, file: RequestedFile): Promise<void> {
    const { transfer, socket, client } = running;
    const buffer = new Uint8Array(MAX_TFTP_REPLY);
    const report = this.#report(running, file);
    const alarm = new Alarm(() => transfer.deadline, () => {
      transfer.expire(performance.now());
      tell(transfer, report);
      // Ends the wait for a client that has gone, if nobody else has.
      if (transfer.isOver) return closeQuietly(socket);
      // Who is closed meanwhile is seen to be where packets are waited for.
      sendDue(running).catch(() => {});
      alarm.reschedule();
    });
    try {
      while (true) {
        await sendDue(running);
        if (transfer.isOver) break;
        alarm.reschedule();
        const [bytes, from] = await socket.receive(buffer);
        const sender = from as Deno.NetAddr;
        // Nobody but the client itself has a say.
        if (
          sender.port === client.port && sender.hostname === client.hostname
        ) transfer.receive(bytes, performance.now());
        tell(transfer, report);
      }
    } catch (error) {
      if (!transfer.isOver) throw error;
    } finally {
      alarm.stop();
    }
  }

  #report(running: Running, file: RequestedFile): TransferReport {
    const { transfer, client } = running;
    return new TransferReport({
      protocol: "tftp",
      file_name: file.name,
      total_bytes: transfer.totalOctets,
    }, (detail) => {
      this.#options.observer.transferring(file.mac, client.hostname, detail);
    });
  }
}

/** Whether a transfer's client should have been heard of by now. */
function isForsaken(running: Running | undefined): boolean {
  return running?.transfer.isForsaken(performance.now()) ?? false;
}

/** Whether a transfer's client has confirmed some of it, just now. */
function isGoingOn({ transfer }: Running): boolean {
  return transfer.state === "sending" &&
    transfer.isFollowed(performance.now());
}

/** Whether a request is the one that has begun a transfer, once more. */
function isRepeated(bytes: Uint8Array, { asked, transfer }: Running): boolean {
  return transfer.isFollowed(performance.now()) &&
    bytes.length === asked.length &&
    bytes.every((octet, index) => octet === asked[index]);
}

/** Tells how far a transfer is; who never confirmed anything is nobody. */
function tell({ state, sentOctets, error }: Transfer, report: TransferReport) {
  if (state === "sending") report.sending(sentOctets);
  else if (state === "complete") report.complete(sentOctets);
  else if (state === "failed") report.fail(sentOctets, error ?? "unknown");
}

/**
 * Sends what is due, one packet after the other: they share a buffer. Where that
 * goes on already, it goes on with what has become due.
 */
async function sendDue(running: Running): Promise<void> {
  const { transfer, socket, packet, destination } = running;
  if (running.isSending) return;
  running.isSending = true;
  try {
    for (
      let length = transfer.next(packet, performance.now());
      length > 0;
      length = transfer.next(packet, performance.now())
    ) await sendOrLose(socket, packet.subarray(0, length), destination);
  } finally {
    running.isSending = false;
  }
}

/** A packet that the kernel does not take is a lost one. */
async function sendOrLose(
  socket: Deno.DatagramConn,
  packet: Uint8Array,
  client: Deno.NetAddr,
): Promise<void> {
  try {
    await socket.send(packet, client);
  } catch (error) {
    if (error instanceof Deno.errors.BadResource) throw error;
  }
}

function closeQuietly(socket: Deno.DatagramConn | undefined): void {
  try {
    socket?.close();
  } catch {
    // It is closed already.
  }
}
