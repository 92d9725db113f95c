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
import { DeadlineTimer } from "./deadline_timer.ts";
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
import { negotiate, Transfer } from "./transfer.ts";

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
export type TftpRefusalReason = typeof TFTP_REFUSALS[number];

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
  onTftpRefused(hostname: string, error: Error): void;
  /** A transfer that `client` has confirmed begins, goes on or ends. */
  onTransfer(mac: Mac, client: string, detail: TransferDetail): void;
}

/** A transfer and what goes with it. */
interface ActiveTransfer {
  /** The request as it came. */
  readonly request: Uint8Array;
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
  readonly refused: Record<TftpRefusalReason, number> = {
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
  readonly #transfers = new Map<string, ActiveTransfer | undefined>();
  /** Refusals that wait to be sent. */
  #pendingErrors = 0;
  /** What resolves when they end. */
  readonly #ends = new Set<Promise<void>>();

  constructor(options: TftpServerOptions) {
    this.#options = options;
    this.#sockets = new UdpSockets({
      port: options.port,
      onOpen: (socket, hostname) => void this.#serve(socket, hostname),
      onRefused: (hostname, error) =>
        options.observer.onTftpRefused(hostname, error),
    });
  }

  /** How many transfers go on. */
  get transfers(): number {
    return this.#transfers.size;
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
    for (const running of this.#transfers.values()) {
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
    if (this.#pendingErrors >= MAX_PENDING_REPLIES) {
      this.refused.unanswered++;
      return;
    }
    this.#pendingErrors++;
    await sendBestEffort(socket, error, this.#destination(client)).catch(
      () => {},
    );
    this.#pendingErrors--;
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
    if (this.#transfers.has(key)) {
      const running = this.#transfers.get(key);
      // The same request again: the client or the network repeats it. The
      // answer is on the way or was lost, and the transfer itself repeats that.
      if (running === undefined || isRetransmittedRequest(bytes, running)) {
        return undefined;
      }
      // Its client is there and wants the one that it has: another request is
      // not from it. Whoever begins anew has let the old one stand still.
      if (isActive(running)) {
        refused.other_transfer++;
        return undefined;
      }
      this.#end(key, running, "the client has begun another transfer");
    }
    const { maxTransfers = MAX_TFTP_TRANSFERS } = this.#options;
    const own = this.#transfersOf(client.hostname);
    const hasCapacity = own.length < MAX_TFTP_TRANSFERS_PER_CLIENT
      ? this.#transfers.size < maxTransfers ||
        this.#evict(this.#transfers)
      // One client that is there has not more than it may have.
      : this.#evict(own.filter(([, running]) => isUnacknowledged(running)));
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

  #transfersOf(hostname: string): [string, ActiveTransfer | undefined][] {
    return [...this.#transfers].filter(([key]) =>
      key.startsWith(`${hostname} `)
    );
  }

  /**
   * Ends the oldest of these transfers that nobody has confirmed: a request is
   * easily sent in the name of somebody who is not there, and shall keep nobody
   * out who is. If all are confirmed, the one that has stood still for the
   * longest time, if that is long.
   */
  #evict(among: Iterable<[string, ActiveTransfer | undefined]>): boolean {
    const now = performance.now();
    let idlest: [string, ActiveTransfer] | undefined;
    let longestIdle = TFTP_EVICTION_IDLE_TIMEOUT;
    for (const [key, running] of among) {
      if (running === undefined) continue;
      const { transfer } = running;
      if (transfer.state === "offered") {
        this.#end(key, running, "others have come, and it was never confirmed");
        return true;
      }
      const still = transfer.idleTime(now);
      if (still < longestIdle) continue;
      longestIdle = still;
      idlest = [key, running];
    }
    if (idlest === undefined) return false;
    this.#end(...idlest, "others have come, and it stood still");
    return true;
  }

  #end(
    key: string,
    { transfer, socket }: ActiveTransfer,
    reason: string,
  ): void {
    transfer.cancel(reason);
    closeQuietly(socket);
    this.#transfers.delete(key);
  }

  async #transfer(
    key: string,
    asked: Uint8Array,
    request: Request,
    file: RequestedFile,
    client: Deno.NetAddr,
    hostname: string,
  ): Promise<void> {
    this.#transfers.set(key, undefined);
    let socket: Deno.DatagramConn | undefined;
    let running: ActiveTransfer | undefined;
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
        negotiate(request, content.length),
        performance.now(),
      );
      const destination = this.#destination(client);
      const packet = new Uint8Array(transfer.packetSize);
      running = {
        request: asked,
        transfer,
        socket,
        client,
        destination,
        packet,
        isSending: false,
      };
      this.#transfers.set(key, running);
      await this.#run(running, file);
      const { state, sentBytes: sentOctets } = transfer;
      this.sentBytes += sentOctets;
      if (state === "complete" || state === "probed") this.ended[state]++;
      else this.ended.failed++;
    } catch {
      // The address went away: the client asks again, elsewhere.
      this.ended.failed++;
    } finally {
      closeQuietly(socket);
      if (this.#transfers.get(key) === running) this.#transfers.delete(key);
    }
  }

  /** Moves packets until the transfer is over. */
  async #run(running: ActiveTransfer, file: RequestedFile): Promise<void> {
    const { transfer, socket, client } = running;
    const buffer = new Uint8Array(MAX_TFTP_REPLY);
    const report = this.#report(running, file);
    const timer = new DeadlineTimer(() => transfer.deadline, () => {
      transfer.expire(performance.now());
      reportProgress(transfer, report);
      // Ends the wait for a client that has gone, if nobody else has.
      if (transfer.isOver) return closeQuietly(socket);
      // Who is closed meanwhile is seen to be where packets are waited for.
      sendDue(running).catch(() => {});
      timer.reschedule();
    });
    try {
      while (true) {
        await sendDue(running);
        if (transfer.isOver) break;
        timer.reschedule();
        const [bytes, from] = await socket.receive(buffer);
        const sender = from as Deno.NetAddr;
        // Nobody but the client itself has a say.
        if (
          sender.port === client.port && sender.hostname === client.hostname
        ) transfer.receive(bytes, performance.now());
        reportProgress(transfer, report);
      }
    } catch (error) {
      if (!transfer.isOver) throw error;
    } finally {
      timer.stop();
    }
  }

  #report(running: ActiveTransfer, file: RequestedFile): TransferReport {
    const { transfer, client } = running;
    return new TransferReport({
      protocol: "tftp",
      file_name: file.name,
      total_bytes: transfer.totalBytes,
    }, (detail) => {
      this.#options.observer.onTransfer(file.mac, client.hostname, detail);
    });
  }
}

/** Whether a transfer's client should have been heard of by now. */
function isUnacknowledged(running: ActiveTransfer | undefined): boolean {
  return running?.transfer.isUnacknowledged(performance.now()) ?? false;
}

/** Whether a transfer's client has confirmed some of it, just now. */
function isActive({ transfer }: ActiveTransfer): boolean {
  return transfer.state === "sending" &&
    transfer.isActive(performance.now());
}

/** Whether a request is the one that has begun a transfer, once more. */
function isRetransmittedRequest(
  bytes: Uint8Array,
  { request: asked, transfer }: ActiveTransfer,
): boolean {
  return transfer.isActive(performance.now()) &&
    bytes.length === asked.length &&
    bytes.every((byte, index) => byte === asked[index]);
}

/** Tells how far a transfer is; who never confirmed anything is nobody. */
function reportProgress(
  { state, sentBytes: sentOctets, error }: Transfer,
  report: TransferReport,
) {
  if (state === "sending") report.sending(sentOctets);
  else if (state === "complete") report.complete(sentOctets);
  else if (state === "failed") report.fail(sentOctets, error ?? "unknown");
}

/**
 * Sends what is due, one packet after the other: they share a buffer. Where that
 * goes on already, it goes on with what has become due.
 */
async function sendDue(running: ActiveTransfer): Promise<void> {
  const { transfer, socket, packet, destination } = running;
  if (running.isSending) return;
  running.isSending = true;
  try {
    for (
      let length = transfer.next(packet, performance.now());
      length > 0;
      length = transfer.next(packet, performance.now())
    ) await sendBestEffort(socket, packet.subarray(0, length), destination);
  } finally {
    running.isSending = false;
  }
}

/** A packet that the kernel does not take is a lost one. */
async function sendBestEffort(
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
