/**
 * The TFTP server: read-only, one socket for each transfer, or one for all of them.
 *
 * @module
 */

import {
  MAX_NETASCII_FILE,
  MAX_PENDING_REPLIES,
  MAX_TFTP_FILE_WINDOW,
  MAX_TFTP_TRANSFERS,
} from "../overload/limits.ts";
import {
  type ReportedTransfer,
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_progress.ts";
import { MAX_SEGMENTS, MAX_SEND_BYTES, sendBuffer } from "../net/udp_sender.ts";
import { UdpSockets } from "../net/udp_sockets.ts";
import { isLinkLocal, parseIpv6 } from "../net/ipv6.ts";
import type { Mac } from "../net/mac.ts";
import { type ActiveTransfer, ActiveTransfers } from "./active_transfers.ts";
import {
  type Content,
  FileContent,
  type FileSource,
  MemoryContent,
} from "./content.ts";
import { DeadlineTimer } from "./deadline_timer.ts";
import { delay, waitAtMost } from "../overload/timeout.ts";
import { toNetascii } from "./netascii.ts";
import {
  decodeRequest,
  encodeError,
  ErrorCode,
  MAX_CLIENT_PACKET_SIZE,
  MAX_REQUEST_SIZE,
  Opcode,
  opcodeOf,
  type Request,
} from "./packet.ts";
import { parseRequestPath, type RequestedFile } from "./request_path.ts";
import {
  ACKNOWLEDGMENT_TIME,
  negotiate,
  type NegotiatedOptions,
  Transfer,
} from "./transfer.ts";
import {
  OwnSocket,
  SharedPort,
  type TransferSocket,
} from "./transfer_socket.ts";
import { WaitingRequests } from "./waiting_requests.ts";

/** Why a request is not served. Each reason has a counter. */
export const TFTP_REFUSALS = [
  "no_request",
  "source_not_allowed",
  "write_request",
  "no_mac",
  "file_not_found",
  "file_too_long",
  "too_many_transfers",
  "other_transfer",
  "unknown_transfer_id",
  "unanswered",
] as const;
export type TftpRefusalReason = typeof TFTP_REFUSALS[number];

/** Milliseconds before the next attempt after the kernel refused to read. */
const RECEIVE_RETRY_DELAY = 100;

/**
 * Milliseconds that `stop` waits for what ended transfers wait for: a file system
 * or neighbor discovery may take any time.
 */
const CLEANUP_TIMEOUT = 100;

/**
 * The share of the descriptors for as many transfers that have ended for others,
 * and still hold theirs: the runtime gives up a socket when its receive has ended.
 */
const ENDING_SHARE = 0.25;

/** The server's configuration. */
export interface TftpServerOptions {
  readonly port: number;
  /**
   * Whether transfers use the socket that the request came to, and not one of
   * their own; no by default.
   */
  readonly isSinglePort?: boolean;
  /** The interface that link-local client addresses are on. */
  readonly interfaceName: string;
  /** The most transfers at once; `MAX_TFTP_TRANSFERS` by default. */
  readonly maxTransfers?: number;
  /**
   * The most file descriptors of transfers: of each its socket, and its file if it
   * has one; two for each transfer by default.
   */
  readonly maxDescriptors?: number;
  /**
   * Opens the file of a request; `undefined` if there is none, which it reports
   * itself. What it opens, the server closes.
   */
  readonly open: (request: FileRequest) => Promise<TftpFile | undefined>;
  /** The MAC that a client's address tells, or `NO_MAC`. */
  readonly macOf: (hostname: string) => Mac;
  /** Whether requests from an address are answered at all. */
  readonly allows: (hostname: string) => boolean;
  readonly observer: TftpObserver;
}

/** A request for a file. */
export interface FileRequest extends RequestedFile {
  /** As the client sent it. */
  readonly path: string;
  /** The client's address. */
  readonly client: string;
}

/** A file that is served. */
export interface TftpFile {
  readonly content: Uint8Array | FileSource;
  /** Whether it is an iPXE, or a script for one, and no file of the machine. */
  readonly isIpxe: boolean;
}

/** What is transferred. */
export interface TransferredFile extends Pick<TftpFile, "isIpxe"> {
  /** The path below the machine's directory. */
  readonly name: string;
}

/** Receives the events of a server. Its methods must not block. */
export interface TftpObserver {
  /** The socket of this address cannot be bound. */
  onBindError(hostname: string, error: Error): void;
  /** A transfer that `client` has acknowledged starts, progresses or ends. */
  onTransfer(
    mac: Mac,
    client: string,
    detail: TransferDetail,
    transfer: ReportedTransfer,
    file: TransferredFile,
  ): void;
  /**
   * A request was refused. Packets that are no requests, duplicates during a
   * transfer, and files that there are not, are not reported.
   *
   * @param path What was requested; empty if the request is malformed.
   */
  onRefused(reason: TftpRefusalReason, client: string, path: string): void;
}

/** A read request with a valid path. */
interface ReadRequest {
  /** The raw request packet. */
  readonly bytes: Uint8Array;
  readonly request: Request;
  readonly file: RequestedFile;
}

/** A request that waits until a transfer ends. */
interface WaitingRequest {
  readonly read: ReadRequest;
  /** The address that it was sent to. */
  readonly hostname: string;
  /** The descriptors that its transfer needs. */
  readonly descriptors: number;
}

/** A request that is not served. */
interface Refusal {
  readonly reason: TftpRefusalReason;
  /** The ERROR packet for the client, if it gets one. */
  readonly error?: Uint8Array;
}

function refusal(
  reason: TftpRefusalReason,
  code: number,
  message: string,
): Refusal {
  return { reason, error: encodeError(code, message) };
}

/** Whether a packet is meant as a request, also if it is malformed. */
function isRequest(bytes: Uint8Array): boolean {
  const opcode = opcodeOf(bytes);
  return opcode === Opcode.ReadRequest || opcode === Opcode.WriteRequest;
}

/**
 * Reads a packet that came to the port for requests.
 *
 * @param ownMac The MAC that the client's address tells, or `NO_MAC`.
 */
function readRequest(bytes: Uint8Array, ownMac: Mac): ReadRequest | Refusal {
  const request = bytes.length > MAX_REQUEST_SIZE
    ? undefined
    : decodeRequest(bytes);
  if (request === undefined) {
    // Other packets, ERROR above all, get no reply: two servers would answer
    // each other for ever.
    return isRequest(bytes)
      ? refusal("no_request", ErrorCode.IllegalOperation, "malformed request")
      : { reason: "no_request" };
  }
  if (request.opcode === Opcode.WriteRequest) {
    return refusal("write_request", ErrorCode.AccessViolation, "read-only");
  }
  const file = parseRequestPath(request.fileName, ownMac);
  return file === undefined
    ? refusal(
      "no_mac",
      ErrorCode.FileNotFound,
      "the path must be MAC/NAME, or NAME from the address of a machine",
    )
    : { bytes, request, file };
}

/** Serves files over TFTP (RFC 1350). */
export class TftpServer {
  /** Ended transfers, by their result. */
  readonly ended = { complete: 0, failed: 0, probed: 0 };
  /** Bytes of files that clients have acknowledged. */
  sentBytes = 0;
  /** Requests not served. */
  readonly refused: Record<TftpRefusalReason, number> = {
    no_request: 0,
    source_not_allowed: 0,
    write_request: 0,
    no_mac: 0,
    file_not_found: 0,
    file_too_long: 0,
    too_many_transfers: 0,
    other_transfer: 0,
    unknown_transfer_id: 0,
    unanswered: 0,
  };

  readonly #options: TftpServerOptions;
  readonly #sockets: UdpSockets;
  /** What transfers share, by the server's address; empty if they share nothing. */
  readonly #sharedPorts = new Map<string, SharedPort>();
  readonly #transfers: ActiveTransfers;
  readonly #waiting = new WaitingRequests<WaitingRequest>();
  #waitingTimer: ReturnType<typeof setTimeout> | undefined;
  /** Settled when a transfer has ended. */
  readonly #ends = new Set<Promise<void>>();
  /** Transfers that may hold descriptors after they have ended for others. */
  readonly #maxEnding: number;
  /** ERROR packets being sent to clients that got no transfer. */
  #pendingErrors = 0;
  #isListening = false;
  #isStopped = false;

  constructor(options: TftpServerOptions) {
    const { port, maxTransfers = MAX_TFTP_TRANSFERS, observer } = options;
    const { maxDescriptors = 2 * maxTransfers } = options;
    this.#options = options;
    this.#transfers = new ActiveTransfers(
      Math.min(maxTransfers, maxDescriptors),
      maxDescriptors,
    );
    this.#maxEnding = Math.max(1, Math.floor(ENDING_SHARE * maxDescriptors));
    this.#sockets = new UdpSockets({
      port,
      onOpen: (opened, hostname) => {
        if (options.isSinglePort) {
          this.#sharedPorts.set(hostname, new SharedPort(opened));
        }
        void this.#receive(opened.socket, hostname);
      },
      onClose: (hostname) => {
        this.#sharedPorts.get(hostname)?.close();
        this.#sharedPorts.delete(hostname);
      },
      onRefused: (hostname, error) => observer.onBindError(hostname, error),
    });
  }

  /** How many transfers there are. */
  get transfers(): number {
    return this.#transfers.size;
  }

  /** Requests that wait for a transfer to end. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** File descriptors of transfers: their sockets, and the files open for them. */
  get descriptors(): number {
    return this.#transfers.descriptors;
  }

  /** The addresses at which the server listens. */
  get hostnames(): readonly string[] {
    return this.#sockets.hostnames;
  }

  /** Listens at these addresses, and at those of {@linkcode bind} from then on. */
  start(hostnames: readonly string[] = []): void {
    this.#isListening = true;
    this.bind(hostnames);
  }

  /** Listens at these addresses only, while the server runs. */
  bind(hostnames: readonly string[]): void {
    if (this.#isListening) this.#sockets.bind(hostnames);
  }

  /**
   * Takes no further request, and ends the transfers that have not ended by
   * themselves after `grace` milliseconds. A stopped server cannot be started
   * again.
   */
  async stop(grace = 0): Promise<void> {
    this.#isListening = false;
    this.#waiting.clear();
    clearTimeout(this.#waitingTimer);
    // What transfers share stays open for them.
    if (!this.#options.isSinglePort) this.#sockets.close();
    if (grace > 0) await waitAtMost(grace, Promise.all(this.#ends));
    this.#isStopped = true;
    this.#transfers.endAll("the server stops");
    this.#sockets.close();
    await waitAtMost(CLEANUP_TIMEOUT, Promise.all(this.#ends));
  }

  /** Reads the requests that come to one socket, until it is closed. */
  async #receive(socket: Deno.DatagramConn, hostname: string): Promise<void> {
    const buffer = new Uint8Array(MAX_REQUEST_SIZE + 1);
    while (true) {
      try {
        const [bytes, from] = await socket.receive(buffer);
        const client = from as Deno.NetAddr;
        const sharedPort = this.#sharedPorts.get(hostname);
        if (sharedPort !== undefined && !isRequest(bytes)) {
          if (!sharedPort.deliver(client, bytes)) {
            this.refused.unknown_transfer_id++;
          }
          continue;
        }
        if (!this.#isListening) continue;
        const error = this.#accept(bytes.slice(), client, hostname);
        if (error !== undefined) void this.#sendError(socket, error, client);
      } catch {
        if (!this.#sockets.has(socket)) return;
        await delay(RECEIVE_RETRY_DELAY);
      }
    }
  }

  /**
   * Sends an ERROR without holding up the next request: to an address without a
   * host, sending takes the 3 s of neighbor discovery. A client that gets no
   * ERROR retransmits its request.
   */
  async #sendError(
    socket: Deno.DatagramConn,
    error: Uint8Array,
    client: Deno.NetAddr,
  ): Promise<void> {
    if (this.#pendingErrors >= MAX_PENDING_REPLIES) {
      this.refused.unanswered++;
      return;
    }
    this.#pendingErrors++;
    // One that the kernel refuses is treated as packet loss.
    await socket.send(error, this.#destination(client)).catch(() => {});
    this.#pendingErrors--;
  }

  /** Begins the transfer of a request, or returns the ERROR for the client. */
  #accept(
    bytes: Uint8Array,
    client: Deno.NetAddr,
    hostname: string,
  ): Uint8Array | undefined {
    if (!this.#options.allows(client.hostname)) {
      if (isRequest(bytes)) this.#report("source_not_allowed", client, bytes);
      return this.#refuse({ reason: "source_not_allowed" });
    }
    const read = readRequest(bytes, this.#options.macOf(client.hostname));
    if ("reason" in read) {
      if (isRequest(bytes)) this.#report(read.reason, client, bytes);
      return this.#refuse(read);
    }
    if (!this.#mayBegin) return this.#refuse({ reason: "too_many_transfers" });
    if (this.#waiting.repeat(client)) return undefined;
    switch (this.#transfers.admit(client, bytes, performance.now())) {
      case "retransmission":
        return undefined;
      case "other_transfer":
        return this.#refuse({ reason: "other_transfer" });
      case "too_many_unacknowledged":
        // Firmware gives up after an ERROR, and asks again without one.
        return this.#refuse({ reason: "too_many_transfers" });
      case "too_many_of_host":
        this.#report("too_many_transfers", client, bytes);
        return this.#refuse(refusal(
          "too_many_transfers",
          ErrorCode.NotDefined,
          "too many transfers at once",
        ));
      case "admitted":
        // It does not go before others.
        if (this.#waiting.size > 0) break;
        this.#begin(read, client, hostname);
        return undefined;
      case "no_place":
    }
    if (this.#wait(client, { read, hostname, descriptors: 1 })) {
      return undefined;
    }
    // Those that wait may all be forged.
    if (!this.#waiting.isFull || !this.#transfers.endUnacknowledged()) {
      return this.#refuse({ reason: "too_many_transfers" });
    }
    this.#begin(read, client, hostname);
    return undefined;
  }

  #begin(read: ReadRequest, client: Deno.NetAddr, hostname: string): void {
    const end = this.#serve(read, client, hostname);
    this.#ends.add(end);
    void end.then(() => {
      this.#ends.delete(end);
      this.#beginWaiting();
    });
  }

  /** Lets a request wait until a transfer ends; whether it may. */
  #wait(client: Deno.NetAddr, request: WaitingRequest): boolean {
    if (!this.#isListening || !this.#waiting.add(client, request)) return false;
    this.#lookAgain();
    return true;
  }

  /** Looks again whether a transfer is not acknowledged in time. */
  #lookAgain(): void {
    if (this.#waitingTimer !== undefined || this.#waiting.size === 0) return;
    this.#waitingTimer = setTimeout(() => {
      this.#waitingTimer = undefined;
      this.#beginWaiting();
      this.#lookAgain();
    }, ACKNOWLEDGMENT_TIME);
  }

  /** Begins the transfers of requests that wait, while there are places. */
  #beginWaiting(): void {
    const now = performance.now();
    while (this.#waiting.first !== undefined && this.#mayBegin) {
      const { client, request } = this.#waiting.first;
      const { read, hostname, descriptors } = request;
      const place = this.#transfers.place(client.hostname, descriptors, now);
      if (place === "no_place") return;
      this.#waiting.shift();
      if (place === "admitted") this.#begin(read, client, hostname);
      else this.refused.too_many_transfers++;
    }
  }

  /** Whether few enough have ended for others and hold their descriptors. */
  get #mayBegin(): boolean {
    return this.#ends.size - this.#transfers.size < this.#maxEnding;
  }

  #refuse({ reason, error }: Refusal): Uint8Array | undefined {
    this.refused[reason]++;
    return error;
  }

  #report(
    reason: TftpRefusalReason,
    { hostname }: Deno.NetAddr,
    bytes: Uint8Array,
  ): void {
    const path = bytes.length > MAX_REQUEST_SIZE
      ? undefined
      : decodeRequest(bytes)?.fileName;
    this.#options.observer.onRefused(reason, hostname, path ?? "");
  }

  /** The address to send to: a link-local one needs its zone. */
  #destination(client: Deno.NetAddr): Deno.NetAddr {
    const address = parseIpv6(client.hostname);
    return address === undefined || !isLinkLocal(address) ? client : {
      ...client,
      hostname: `${client.hostname}%${this.#options.interfaceName}`,
    };
  }

  /** Serves an admitted request from beginning to end. Is never rejected. */
  async #serve(
    read: ReadRequest,
    client: Deno.NetAddr,
    hostname: string,
  ): Promise<void> {
    this.#transfers.reserve(client);
    let socket: TransferSocket | undefined;
    let file: TftpFile | undefined;
    let active: ActiveTransfer | undefined;
    let waitsForFile = false;
    try {
      const { fileName: path } = read.request;
      file = await this.#options.open({
        ...read.file,
        path,
        client: client.hostname,
      });
      if (this.#isStopped) return;
      if (
        file !== undefined && isSource(file.content) &&
        !this.#transfers.makeRoomForFile(performance.now())
      ) {
        waitsForFile = true;
        return;
      }
      const offer = await this.#offerOf(read.request, file);
      if (this.#isStopped) return;
      socket = this.#openSocket(hostname, client);
      if ("reason" in offer) {
        // Sending may take the 3 s of neighbor discovery.
        closeFile(file);
        file = undefined;
        this.refused[offer.reason]++;
        if (offer.reason !== "file_not_found") {
          this.#report(offer.reason, client, read.bytes);
        }
        await socket.send(offer.error!);
        return;
      }
      const { content, options } = offer;
      active = {
        request: read.bytes,
        transfer: new Transfer(content, options, performance.now()),
        content,
        socket,
        client,
        isSending: false,
        hasFile: isSource(file!.content),
        onOver: undefined,
      };
      this.#transfers.add(active);
      await this.#run(active, {
        ...read.file,
        isIpxe: file!.isIpxe,
      });
      this.#count(active.transfer);
    } catch {
      // The address was removed, or no descriptor is left: the client asks again.
      this.ended.failed++;
    } finally {
      socket?.close();
      closeFile(file);
      this.#transfers.remove(client, active);
      if (
        waitsForFile &&
        !this.#wait(client, { read, hostname, descriptors: 2 })
      ) this.refused.too_many_transfers++;
    }
  }

  /**
   * What the transfer of a client uses. RFC 1123 §2.3: the reply comes from the
   * address that the request was sent to.
   *
   * @throws {Error} if the address was removed, or no descriptor is left.
   */
  #openSocket(hostname: string, client: Deno.NetAddr): TransferSocket {
    const destination = this.#destination(client);
    if (!this.#options.isSinglePort) {
      return OwnSocket.open(hostname, client, destination, () => {
        this.refused.unknown_transfer_id++;
      });
    }
    const sharedPort = this.#sharedPorts.get(hostname);
    if (sharedPort === undefined) throw new Error(`${hostname} was removed`);
    return sharedPort.open(client, destination);
  }

  /** What the client is offered, or why it gets nothing. */
  async #offerOf(
    request: Request,
    file: TftpFile | undefined,
  ): Promise<Offer | Refusal> {
    if (file === undefined) {
      return refusal("file_not_found", ErrorCode.FileNotFound, "no such file");
    }
    const { content } = file;
    if (!isSource(content)) return offerOfBytes(request, content);
    if (request.mode === "octet") {
      const options = negotiate(request, content.size, MAX_TFTP_FILE_WINDOW);
      const { blockSize, windowSize } = options;
      return {
        content: new FileContent(content, blockSize * windowSize),
        options,
      };
    }
    if (content.size > MAX_NETASCII_FILE) {
      return refusal(
        "file_too_long",
        ErrorCode.NotDefined,
        `the mode netascii is for files of up to ${MAX_NETASCII_FILE} bytes`,
      );
    }
    try {
      return offerOfBytes(request, await content.read(0, content.size));
    } catch (error) {
      const { message } = error as Error;
      return refusal("file_not_found", ErrorCode.NotDefined, message);
    }
  }

  #count({ state, sentBytes }: Transfer): void {
    this.sentBytes += sentBytes;
    if (state === "complete" || state === "probed") this.ended[state]++;
    else this.ended.failed++;
  }

  /** Sends and receives packets until the transfer is over. */
  async #run(
    active: ActiveTransfer,
    file: RequestedFile & TransferredFile,
  ): Promise<void> {
    const { transfer, socket } = active;
    const buffer = new Uint8Array(MAX_CLIENT_PACKET_SIZE);
    const report = this.#reportOf(active, file);
    const timer = new DeadlineTimer(() => transfer.deadline, () => {
      transfer.expire(performance.now());
      reportProgress(transfer, report);
      // Ends the loop below, which waits for a packet.
      if (transfer.isOver) {
        active.onOver?.();
        return socket.close();
      }
      // An error of the socket also ends that wait.
      sendDue(active).then(() => {
        if (transfer.isOver) socket.close();
      }, () => {});
      timer.reschedule();
    });
    try {
      while (true) {
        await sendDue(active);
        if (transfer.isOver) break;
        timer.reschedule();
        const packet = await socket.receive(buffer);
        transfer.receive(packet, performance.now());
        reportProgress(transfer, report);
      }
    } catch (error) {
      if (!transfer.isOver) {
        transfer.cancel((error as Error).message);
        throw error;
      }
    } finally {
      timer.stop();
      reportProgress(transfer, report);
    }
  }

  #reportOf(
    { transfer, client }: ActiveTransfer,
    file: RequestedFile & TransferredFile,
  ): TransferReport {
    const { observer } = this.#options;
    return new TransferReport(
      {
        protocol: "tftp",
        file_name: file.name,
        total_bytes: transfer.totalBytes,
      },
      (detail, transfer) =>
        observer.onTransfer(file.mac, client.hostname, detail, transfer, file),
    );
  }
}

/** Reports a transfer, unless its client has never acknowledged anything. */
function reportProgress(
  { state, sentBytes, error }: Transfer,
  report: TransferReport,
): void {
  if (state === "sending") report.sending(sentBytes);
  else if (state === "complete") report.complete(sentBytes);
  else if (state === "failed") report.fail(sentBytes, error ?? "unknown");
}

/** What a client is offered. */
interface Offer {
  readonly content: Content;
  readonly options: NegotiatedOptions;
}

function offerOfBytes(request: Request, bytes: Uint8Array): Offer {
  const content = new MemoryContent(
    request.mode === "netascii" ? toNetascii(bytes) : bytes,
  );
  return { content, options: negotiate(request, content.size) };
}

function isSource(
  content: TftpFile["content"] | undefined,
): content is FileSource {
  return content !== undefined && !(content instanceof Uint8Array);
}

function closeFile(file: TftpFile | undefined): void {
  if (isSource(file?.content)) file.content.close();
}

/**
 * Sends all packets that are due. A call during another one does nothing: the
 * first also sends what became due. An error of the file fails the transfer.
 */
async function sendDue(active: ActiveTransfer): Promise<void> {
  const { transfer, content, socket } = active;
  if (active.isSending) return;
  active.isSending = true;
  try {
    while (true) {
      const { start, end } = nextRange(active);
      if (start >= 0 && !content.has(start, end)) {
        // The deadline may pass meanwhile, so that another block is the next, or
        // the transfer is over.
        await new Promise<void>((resolve, reject) => {
          active.onOver = resolve;
          content.load(start, end).then(resolve, reject);
        });
        continue;
      }
      const { length, size } = writeDue(active);
      if (length === 0) return;
      const sent = socket.sendNow(length, size);
      if (sent === length) continue;
      // The runtime waits until the kernel takes the others.
      const others = sendBuffer.slice(sent, length);
      for (let at = 0; at < others.length; at += size) {
        await socket.send(others.subarray(at, at + size));
      }
    }
  } catch (error) {
    if (error instanceof Deno.errors.BadResource) throw error;
    const { message } = error as Error;
    transfer.cancel(message);
    await socket.send(encodeError(ErrorCode.NotDefined, message));
  } finally {
    active.isSending = false;
  }
}

/** The bytes of the file that the next packet has; from -1 on if it has none. */
function nextRange(
  { transfer, content }: ActiveTransfer,
): { readonly start: number; readonly end: number } {
  const start = transfer.nextStart;
  return { start, end: Math.min(start + transfer.blockSize, content.size) };
}

/**
 * Writes the packets that are due to {@linkcode sendBuffer}: as many as are sent at
 * once, and their bytes of the file are in memory.
 *
 * @returns Bytes of all of them, and of each but the last, which may be shorter.
 */
function writeDue(
  active: ActiveTransfer,
): { readonly length: number; readonly size: number } {
  const { transfer, content } = active;
  const now = performance.now();
  const size = transfer.next(sendBuffer, now);
  let length = size;
  if (size !== transfer.packetSize) return { length, size };
  for (let packets = 1; packets < MAX_SEGMENTS; packets++) {
    const { start, end } = nextRange(active);
    if (start < 0 || !content.has(start, end)) break;
    if (length + size > MAX_SEND_BYTES) break;
    length += transfer.next(sendBuffer, now, length);
  }
  return { length, size };
}
