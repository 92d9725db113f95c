/**
 * The connections of the HTTP servers: which exist, which hold a place, and what
 * their clients have read.
 *
 * @module
 */

import { formatIpv6, IPV6_LENGTH, parseIpv6Into } from "../net/ipv6.ts";
import type { TcpSocketCalls } from "../net/tcp_sockets.ts";
import {
  MAX_CONNECTION_RESPONSES,
  MAX_EXCESS_CREDIT,
  MAX_STUCK_BYTES,
  READ_PER_EXCESS,
  RECEIVE_BUFFER,
  REQUEST_BYTES,
} from "../overload/limits.ts";

/** Descriptors that one part of a search looks at. */
const DESCRIPTORS_AT_ONCE = 256;

/**
 * Descriptors without an open one among them, after which none is looked for: the
 * kernel gives out the lowest free one, so new connections fill the gap first.
 */
const GAP = 256;

/** The share of all descriptors below which those that are free are few. */
const FEW_FREE = 1 / 6;

/** Connections that the kernel holds for a server of the runtime. */
const BACKLOG = 511;

/**
 * The payload of full records (RFC 8446 section 5): 16,384 bytes, and at least
 * 22 bytes that TLS adds.
 */
const TLS_PAYLOAD_SHARE = 16384 / (16384 + 22);

/** Bytes a second that are no excess, such as PING frames and small requests. */
const EXCESS_RATE = 1024;

/**
 * Searches in a row without a connection after which there is none: the runtime
 * may not have accepted yet one that came before.
 */
const MIN_EMPTY_ROUNDS = 3;

/** Whole searches that may not find a connection from which a request has come. */
const MAX_ROUNDS_UNFOUND = 2;

/** Milliseconds in which the runtime ends responses of a connection itself. */
const LOST_TIME = 1000;

/** Bytes of one that it does not end, beside those of its body. */
const STUCK_RESPONSE = 16 * 1024;

/** One connection of a client. */
export class Connection {
  /** Its file descriptor; -1 until it has been found, and when it is gone. */
  descriptor = -1;
  /**
   * What tells its socket from others that have its descriptor later; 0 where the
   * kernel does not tell.
   */
  identity = 0;
  /** Responses in progress: over HTTP/2 there are several. */
  responses = 0;
  /**
   * Those of them that hold a place: they are being made, or written while the
   * client reads. What is left is short and whole, such as a refusal.
   */
  places = 0;
  /** Responses whose next bytes the runtime waits for, and has not got yet. */
  starving = 0;
  /** How much of what it carries is payload: TLS adds to each record. */
  payloadShare = 1;
  /** Requests that have come. */
  requests = 0;
  /**
   * Searches in a row in which it had no request in progress, and no bytes that
   * the runtime had still to read, unless it waits for its client to read.
   */
  quietSearches = 0;
  /** Since when it is known, by the monotonic clock. */
  readonly openedAt: number = performance.now();
  /** Since when it holds no place, by the monotonic clock. */
  idleSince: number = performance.now();
  /** Whether it was closed because its client does not read. */
  wasStalled = false;
  /** Whether its client has read slowly while its speed was measured last. */
  isSlow = false;
  /** Whether it was closed. */
  isReset = false;
  /**
   * Whether it has ended, as of the last {@linkcode measure} or search. The runtime
   * sees that when it next reads or writes.
   */
  isOver = false;
  /** Whether its socket is known not to exist any more. */
  isGone = false;
  /** Ends its responses, which take so many bytes: the runtime may not do so. */
  readonly giveUps: Set<(bytes: number) => void> = new Set();
  /** The round of the search that has found it last. */
  round: number;
  /** Bytes that its client had acknowledged at {@linkcode measuredAt}. */
  measured = 0;
  /** When its speed was measured last, by the monotonic clock. */
  measuredAt: number = performance.now();
  /** When its client last acknowledged anything, by the monotonic clock. */
  progressAt: number = performance.now();

  #unreadBytes = 0;
  #acknowledgedBytes = 0;
  /** The same with what TLS adds. */
  #acknowledgedInAll = 0;
  #receivedBytes = 0;
  /** What has come besides requests; negative for what may come. */
  #excess = 0;
  #keptBytes = 0;
  /** Requests, and the time, that {@linkcode #countExcess} has counted. */
  #countedRequests = 0;
  #countedUntil: number = this.openedAt;
  #hasPending = false;
  readonly #sockets: TcpSocketCalls | undefined;
  readonly #onUnread: (change: number) => void;

  /**
   * @param serverPort The port at which the server listens.
   * @param address The client's, 16 bytes.
   * @param port The client's.
   * @param onUnread Called when {@linkcode unreadBytes} changes, and by how much.
   */
  constructor(
    sockets: TcpSocketCalls | undefined,
    readonly serverPort: number,
    readonly address: Uint8Array,
    readonly port: number,
    round: number,
    onUnread: (change: number) => void,
  ) {
    this.#sockets = sockets;
    this.round = round;
    this.#onUnread = onUnread;
  }

  /** The client's address. */
  get client(): string {
    return formatIpv6(this.address);
  }

  /** Bytes that the client has acknowledged. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes;
  }

  /**
   * Bytes of bodies that were handed to the runtime and that the client has not
   * acknowledged, as of the last {@linkcode measure}.
   */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Whether all responses wait for this program, and none for the client. */
  get hasCaughtUp(): boolean {
    return this.starving >= this.responses && this.unreadBytes === 0 &&
      !this.#hasPending;
  }

  /** Counts bytes of a body that the runtime has taken. */
  hand(bytes: number): void {
    if (this.isGone) return;
    // The runtime takes more: its client reads.
    if (this.descriptor < 0) this.progressAt = performance.now();
    this.#setUnread(this.#unreadBytes + bytes);
  }

  /** Counts what was handed to the runtime as read: the connection is over. */
  end(): void {
    this.#setUnread(0);
  }

  /** Measures what its client still has to read of responses that are over. */
  measureRest(): void {
    if (this.unreadBytes === 0) return;
    this.measure();
    // It is in use as long as the client reads.
    this.idleSince = Math.max(this.idleSince, this.progressAt);
  }

  /** Asks the kernel what the client has acknowledged. */
  measure(): void {
    if (this.descriptor < 0) return;
    const traffic = this.#sockets?.traffic(this.descriptor);
    if (
      traffic === undefined || traffic.acknowledged < this.#acknowledgedInAll
    ) {
      // Its descriptor is closed, or another one's.
      this.isOver = true;
      return;
    }
    this.#acknowledgedInAll = traffic.acknowledged;
    const acknowledged = Math.max(
      this.#acknowledgedBytes,
      Math.ceil(traffic.acknowledged * this.payloadShare),
    );
    const read = acknowledged - this.#acknowledgedBytes;
    this.isOver = traffic.isOver;
    if (read > 0) this.progressAt = performance.now();
    // Heads of responses are acknowledged, too.
    this.#setUnread(Math.max(0, this.#unreadBytes - read));
    this.#hasPending = traffic.hasPending;
    this.#acknowledgedBytes = acknowledged;
    this.#countExcess(traffic.received, read);
  }

  /**
   * Bytes that the client has sent besides its requests, as of the last
   * {@linkcode measure}. Some come over HTTP/2 now and then, and for what the client
   * reads: it lets more come.
   */
  get excessBytes(): number {
    return Math.max(0, this.#excess);
  }

  /**
   * Bytes that the client has sent besides its requests since it has responses in
   * progress, as of the last {@linkcode measure}, whatever it reads.
   */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Bytes a second that the client has acknowledged since it has connected. */
  speed(now: number): number {
    return this.#acknowledgedBytes / (now - this.openedAt) * 1000;
  }

  /**
   * @param received Bytes that have come in all.
   * @param read Bytes that the client has read since the last call.
   */
  #countExcess(received: number, read: number): void {
    const now = performance.now();
    const requests = this.requests - this.#countedRequests;
    const sent = received - this.#receivedBytes - requests * REQUEST_BYTES -
      (now - this.#countedUntil) / 1000 * EXCESS_RATE;
    this.#excess = Math.max(
      -MAX_EXCESS_CREDIT,
      this.#excess + sent - read / READ_PER_EXCESS,
    );
    this.#keptBytes = this.responses === 0
      ? 0
      : Math.max(0, this.#keptBytes + sent);
    this.#receivedBytes = received;
    this.#countedRequests = this.requests;
    this.#countedUntil = now;
  }

  #setUnread(bytes: number): void {
    this.#onUnread(bytes - this.#unreadBytes);
    this.#unreadBytes = bytes;
  }

  /** Closes it. Returns whether it still existed, and was not closed before. */
  reset(): boolean {
    if (this.isReset || !this.exists) return false;
    this.#sockets!.reset(this.descriptor);
    this.isReset = true;
    return true;
  }

  /** Whether it has been found, and its descriptor is not another one's now. */
  get exists(): boolean {
    const sockets = this.#sockets;
    if (this.descriptor < 0 || sockets === undefined) return false;
    return this.identity === 0
      ? sockets.readPeer(this.descriptor) && this.isPeerOf(sockets)
      : sockets.identity(this.descriptor) === this.identity;
  }

  /** Whether it exists, and has not ended in both directions. */
  isAlive(): boolean {
    if (!this.exists) return false;
    this.measure();
    return !this.isOver;
  }

  /** Notes that its socket is closed. What its client has not read is lost. */
  lose(): void {
    this.descriptor = -1;
    this.isOver = this.isGone = true;
    this.end();
  }

  /** Whether the peer that was read last is its client. */
  isPeerOf({ peerPort, peerAddress }: TcpSocketCalls): boolean {
    if (peerPort !== this.port) return false;
    for (let index = 0; index < IPV6_LENGTH; index++) {
      if (peerAddress[index] !== this.address[index]) return false;
    }
    return true;
  }
}

/** When a connection was lost, and the bytes that its client had not read. */
interface Loss {
  readonly since: number;
  readonly bytes: number;
}

/** Why a response ends whose connection does not exist any more. */
export class ConnectionLost extends Error {}

/** A response that is counted. */
export interface TrackedResponse {
  readonly connection: Connection;
  /**
   * Settles at the end of the response, also where the runtime does not report
   * that. Rejected with {@linkcode ConnectionLost} then.
   */
  readonly completed: Promise<void>;
  /** It is whole, and holds no place any more. */
  readonly isWhole: () => void;
}

/**
 * All connections. Those with a request are known at once, the others when the
 * search has found their descriptors.
 */
export class Connections {
  /** Sockets that accept connections, as of the last whole round. */
  listeners = 0;
  /** Whether few descriptors are free, as of the last whole round. */
  hasFewDescriptors = false;
  /** {@linkcode Connection.unreadBytes} of all connections together. */
  unreadBytes = 0;
  /** Connections that were closed as further ones from the same port. */
  duplicates = 0;

  readonly #sockets: TcpSocketCalls | undefined;
  readonly #ports = new Set<number>();
  readonly #byKey = new Map<string, Connection>();
  readonly #byDescriptor: (Connection | undefined)[] = [];
  readonly #address = new Uint8Array(IPV6_LENGTH);
  #answering = 0;
  #round = 0;
  /** The next descriptor to look at. */
  #next = 0;
  #highest = 0;
  /** Sockets that accept connections found in this round. */
  #listeners: number[] = [];
  /** Open descriptors found in this round. */
  #open = 0;
  /** Listeners that accept few connections at once, by their descriptors. */
  #slowed: ReadonlySet<number> = new Set();
  /** Listeners that announce connections, by their descriptors. */
  #announcing: readonly number[] = [];
  #canAnnounce = false;
  /** Whole rounds in a row without a connection, since one was announced. */
  #emptyRounds = 0;
  #onAnnounced: (() => void) | undefined;
  readonly #announce = () => this.announce();
  /** Those without a socket that have responses. */
  readonly #lost = new Map<Connection, Loss>();
  /** Bytes of responses of lost connections that the runtime has not ended. */
  #stuckBytes = 0;

  /** @param sockets `undefined`: only connections with a response are known. */
  constructor(sockets?: TcpSocketCalls) {
    this.#sockets = sockets;
  }

  /** How many connections hold a place. */
  get answering(): number {
    return this.#answering;
  }

  /** Responses that may be in progress at once on a connection. */
  get maxResponses(): number {
    return this.#stuckBytes < MAX_STUCK_BYTES ? MAX_CONNECTION_RESPONSES : 1;
  }

  /** How many connections are known. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Whether the descriptors of all that are known have been found. */
  get areAllFound(): boolean {
    for (const { descriptor } of this) if (descriptor < 0) return false;
    return true;
  }

  /** Whether connections without a request can be found. */
  get areFound(): boolean {
    return this.#sockets !== undefined;
  }

  /**
   * Whether the kernel announces the next connection: nothing has to be searched
   * for until then. `undefined` if it never does.
   */
  get isNextAnnounced(): boolean | undefined {
    return this.#canAnnounce
      ? this.#emptyRounds >= MIN_EMPTY_ROUNDS
      : undefined;
  }

  /** Whether a search has to end that connections are announced. */
  get areNeedlesslyAnnounced(): boolean {
    return this.#announcing.length > 0 && this.size > 0;
  }

  /** Calls back when there may be a connection or a listener to be found. */
  onAnnounced(callback: () => void): void {
    this.#onAnnounced = callback;
    this.#sockets?.onAnnounced(this.#announce);
  }

  /** Calls back no more. */
  offAnnounced(): void {
    if (this.#onAnnounced === undefined) return;
    this.#onAnnounced = undefined;
    this.#endAnnouncing();
    this.#sockets?.offAnnounced(this.#announce);
  }

  /** Says that there may be a connection or a listener to be found. */
  announce(): void {
    this.#emptyRounds = 0;
    this.#onAnnounced?.();
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#byKey.values();
  }

  /** Goes round those whose descriptors have been found, some at a time. */
  turns(): ConnectionTurns {
    return new ConnectionTurns(this.#byDescriptor);
  }

  /** Adds a port on which connections are accepted. */
  listenAt(port: number): void {
    this.#ports.add(port);
  }

  /**
   * Counts a response of a request's connection until it has ended.
   *
   * @param port The port at which the server listens.
   */
  track(
    port: number,
    isTls: boolean,
    { remoteAddr, completed: reported }: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): TrackedResponse {
    const { promise: completed, resolve, reject } = Promise.withResolvers<
      void
    >();
    let stuck = 0;
    const onReported = () => this.#stuckBytes -= stuck;
    reported.then(resolve, reject).then(onReported, onReported);
    const giveUp = (bytes: number) => {
      this.#stuckBytes += stuck = bytes + STUCK_RESPONSE;
      reject(new ConnectionLost());
    };
    readAddress(remoteAddr.hostname, this.#address);
    const connection = this.#current(port, this.#address, remoteAddr.port);
    connection.requests++;
    if (connection.responses++ === 0) {
      connection.measuredAt = connection.progressAt = performance.now();
      connection.isSlow = false;
    }
    if (connection.places++ === 0) this.#answering++;
    if (connection.responses > this.maxResponses) {
      this.#closeGreedy(connection);
    }
    if (isTls) connection.payloadShare = TLS_PAYLOAD_SHARE;
    connection.giveUps.add(giveUp);
    let hasPlace = true;
    const isWhole = () => {
      if (hasPlace) this.#leavePlace(connection);
      hasPlace = false;
    };
    const end = () => {
      isWhole();
      connection.giveUps.delete(giveUp);
      if (--connection.responses === 0 && this.#sockets === undefined) {
        this.#forget();
      }
    };
    completed.then(end, end);
    return { connection, completed, isWhole };
  }

  /** Whether it is not known what the client of a connection reads. */
  isLost({ descriptor, round }: Connection): boolean {
    return this.#sockets === undefined ||
      descriptor < 0 && this.#round > round + 1;
  }

  /**
   * Looks at the next descriptors of this process. Each takes up to four system
   * calls, one where a connection holds a place.
   *
   * @returns Whether all have been looked at since this was last the case.
   */
  search(): boolean {
    const sockets = this.#sockets;
    if (sockets === undefined) return true;
    const next = this.#next + DESCRIPTORS_AT_ONCE;
    while (this.#next < next) {
      if (this.#look(sockets, this.#next)) {
        this.#highest = this.#next;
        this.#open++;
      }
      this.#next++;
      const end = Math.max(this.#highest + GAP, this.#byDescriptor.length);
      if (this.#next < Math.min(end, sockets.maxDescriptors)) continue;
      this.#endRound();
      return true;
    }
    return false;
  }

  /**
   * Closes the connections without a response that a server had at some time,
   * but those whose clients have not read the last one.
   *
   * @param port The port of the server.
   * @param time By the monotonic clock; later ones stay.
   */
  resetIdle(port: number, time: number): void {
    for (const connection of this) {
      const { serverPort, responses, openedAt } = connection;
      if (serverPort !== port || responses > 0 || openedAt >= time) continue;
      connection.measureRest();
      if (connection.unreadBytes === 0) connection.reset();
    }
  }

  /** Returns whether the descriptor is open. */
  #look(sockets: TcpSocketCalls, descriptor: number): boolean {
    let connection = this.#byDescriptor[descriptor];
    if (connection !== undefined && !connection.exists) {
      this.#lose(connection);
      connection = undefined;
    }
    if (connection === undefined) {
      if (!sockets.isOpen(descriptor)) return false;
      if (!sockets.readPeer(descriptor)) {
        const isListener = this.#ports.has(sockets.localPort(descriptor)) &&
          sockets.isListening(descriptor);
        if (isListener) this.#listeners.push(descriptor);
        return true;
      }
      const port = sockets.localPort(descriptor);
      if (!this.#ports.has(port)) return true;
      connection = this.#find(sockets, port, descriptor);
      if (connection === undefined) return true;
    }
    connection.round = this.#round;
    if (connection.places > 0) {
      connection.quietSearches = 0;
      return true;
    }
    connection.measureRest();
    // A client that sends more requests, and reads no response, keeps the runtime
    // from reading them: they are no work in progress.
    const isBusy = sockets.hasUnread(descriptor) &&
      !sockets.traffic(descriptor)?.hasPending;
    connection.quietSearches = isBusy ? 0 : connection.quietSearches + 1;
    return true;
  }

  /**
   * The connection of a descriptor whose peer was read; `undefined` if it was
   * closed: a client that has another one from the same port, to another address
   * of this host. The runtime does not report which of them a request came by.
   */
  #find(
    sockets: TcpSocketCalls,
    port: number,
    descriptor: number,
  ): Connection | undefined {
    const { peerAddress, peerPort } = sockets;
    const key = keyOf(port, peerAddress, peerPort);
    let connection = this.#byKey.get(key);
    if (connection !== undefined && connection.descriptor >= 0) {
      if (connection.isAlive()) {
        this.duplicates++;
        sockets.reset(descriptor);
        return undefined;
      }
      this.#lose(connection);
      connection = undefined;
    }
    connection ??= this.#add(key, port, peerAddress, peerPort);
    this.#setDescriptor(connection, descriptor);
    return connection;
  }

  #setDescriptor(connection: Connection, descriptor: number): void {
    connection.descriptor = descriptor;
    connection.identity = this.#sockets!.identity(descriptor);
    this.#byDescriptor[descriptor] = connection;
  }

  /** The connection that a request has come by. */
  #current(
    port: number,
    address: Uint8Array,
    clientPort: number,
  ): Connection {
    const key = keyOf(port, address, clientPort);
    const known = this.#byKey.get(key);
    if (known === undefined) return this.#add(key, port, address, clientPort);
    // One that was not found may have ended, and this be the next one from there.
    const isCurrent = known.descriptor < 0
      ? known.responses > 0
      : known.isAlive();
    if (isCurrent) return known;
    this.#lose(known);
    return this.#add(key, port, address, clientPort);
  }

  #add(
    key: string,
    port: number,
    address: Uint8Array,
    clientPort: number,
  ): Connection {
    const connection = new Connection(
      this.#sockets,
      port,
      address.slice(),
      clientPort,
      this.#round,
      (change) => {
        this.unreadBytes += change;
      },
    );
    this.#byKey.set(key, connection);
    return connection;
  }

  /** Closes a connection now: with the next search it would be too late. */
  #closeGreedy(connection: Connection): void {
    const sockets = this.#sockets;
    if (sockets === undefined) return;
    if (connection.descriptor < 0) {
      const end = Math.min(
        Math.max(this.#highest, this.#byDescriptor.length) + GAP,
        sockets.maxDescriptors,
      );
      for (let at = 0; at < end; at++) {
        if (!sockets.readPeer(at) || !connection.isPeerOf(sockets)) continue;
        this.#setDescriptor(connection, at);
        break;
      }
    }
    connection.reset();
  }

  #leavePlace(connection: Connection): void {
    if (--connection.places > 0) return;
    connection.idleSince = performance.now();
    this.#answering--;
  }

  /** Forgets the connections that have ended. */
  #endRound(): void {
    this.#forget();
    this.#giveUpLost();
    while (
      this.#byDescriptor.length > 0 && this.#byDescriptor.at(-1) === undefined
    ) this.#byDescriptor.pop();
    this.#round++;
    this.listeners = this.#listeners.length;
    const { maxDescriptors } = this.#sockets!;
    this.hasFewDescriptors =
      maxDescriptors - this.#open < FEW_FREE * maxDescriptors;
    this.#limitListeners();
    this.#setAnnouncing(this.size === 0);
    this.#listeners = [];
    this.#next = this.#highest = this.#open = 0;
  }

  /**
   * Lets each connection be read in small pieces: the runtime reads all that there
   * is before it turns to another one, and to DHCPv6. And lets it accept few
   * connections at once while few descriptors are free: without any it stops to
   * listen, and connections that it has not accepted are reset.
   */
  #limitListeners(): void {
    const sockets = this.#sockets!;
    for (const descriptor of this.#listeners) {
      // Each time: the descriptor may be that of a new listener.
      sockets.setReceiveBuffer(descriptor, RECEIVE_BUFFER);
      if (this.hasFewDescriptors) sockets.setBacklog(descriptor, 1);
      else if (this.#slowed.has(descriptor)) {
        sockets.setBacklog(descriptor, BACKLOG);
      }
    }
    this.#slowed = new Set(this.hasFewDescriptors ? this.#listeners : []);
  }

  /** Lets the kernel announce connections only while there is none. */
  #setAnnouncing(isEmpty: boolean): void {
    this.#emptyRounds = isEmpty ? this.#emptyRounds + 1 : 0;
    if (!isEmpty) return this.#endAnnouncing();
    // Each time: the descriptor may be that of a new listener.
    this.#announcing = this.#listeners.filter((descriptor) =>
      this.#sockets!.announce(descriptor, true)
    );
    this.#canAnnounce = this.#announcing.length > 0 &&
      this.#announcing.length === this.#listeners.length;
  }

  #endAnnouncing(): void {
    for (const descriptor of this.#announcing) {
      this.#sockets!.announce(descriptor, false);
    }
    this.#announcing = [];
  }

  #forget(): void {
    for (const connection of this.#byKey.values()) {
      const { responses, round, progressAt } = connection;
      if (this.#sockets && round === this.#round) continue;
      // One that is there may not be found behind a gap. It would go on.
      const isLost = this.#sockets !== undefined &&
        this.#round > round + MAX_ROUNDS_UNFOUND &&
        performance.now() - progressAt > LOST_TIME;
      if (responses === 0 || isLost) this.#lose(connection);
    }
  }

  /** Takes a connection out that does not exist any more. */
  #lose(connection: Connection): void {
    const { serverPort, address, port, descriptor } = connection;
    const key = keyOf(serverPort, address, port);
    if (this.#byKey.get(key) === connection) this.#byKey.delete(key);
    if (this.#byDescriptor[descriptor] === connection) {
      this.#byDescriptor[descriptor] = undefined;
    }
    const loss = { since: performance.now(), bytes: connection.unreadBytes };
    connection.lose();
    if (connection.responses > 0) this.#lost.set(connection, loss);
  }

  /**
   * Ends responses of connections that do not exist any more.
   *
   * Workaround: the runtime never ends responses over HTTP/2, but one, whose streams
   * it has reset itself while they waited for the connection's window, as after too
   * large a WINDOW_UPDATE (Deno 2.6.8 to 2.9.6). Without it "gives up responses of
   * a lost connection" in tests/unit/http/connection_guard_test.ts fails.
   */
  #giveUpLost(): void {
    for (const [connection, { since, bytes }] of this.#lost) {
      if (
        connection.responses > 0 && performance.now() - since < LOST_TIME
      ) continue;
      this.#lost.delete(connection);
      const { giveUps } = connection;
      for (const giveUp of giveUps) giveUp(bytes / giveUps.size);
    }
  }
}

/**
 * Goes round connections. It is no iterator of a map, which would keep all that
 * the map has had since: V8 links the tables that a map has had to it.
 */
export class ConnectionTurns {
  readonly #byDescriptor: readonly (Connection | undefined)[];
  #at = 0;

  /** @param byDescriptor May change between two calls. */
  constructor(byDescriptor: readonly (Connection | undefined)[]) {
    this.#byDescriptor = byDescriptor;
  }

  /** The next one; `undefined` once after the last. */
  next(): Connection | undefined {
    while (this.#at < this.#byDescriptor.length) {
      const connection = this.#byDescriptor[this.#at++];
      if (connection !== undefined) return connection;
    }
    this.#at = 0;
    return undefined;
  }
}

/** What is known of the connection that a request has come by. */
function keyOf(port: number, address: Uint8Array, clientPort: number): string {
  return `${port} ${clientPort} ${formatIpv6(address)}`;
}

/** Reads an address as the runtime writes it; an IPv4 address is mapped. */
function readAddress(hostname: string, out: Uint8Array): void {
  const [address = ""] = hostname.split("%");
  parseIpv6Into(address.includes(":") ? address : `::ffff:${address}`, out, 0);
}
