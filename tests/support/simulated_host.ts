/**
 * A host in memory for a whole daemon: its interface, UDP sockets, HTTP
 * servers, file descriptors and clock, and the OTLP collector that it reaches.
 *
 * It replaces these functions of the runtime until it is disposed. A daemon
 * needs no root and no free port there, and always counts the same.
 *
 * @module
 */

import { multicastGroups } from "../../lib/net/multicast_groups.ts";
import { neighbours } from "../../lib/net/neighbours.ts";
import { tcpSockets } from "../../lib/net/tcp_sockets.ts";
import { FakeSockets } from "./fake_sockets.ts";

/** An address of a UDP socket. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** A datagram that a socket of the host has sent. */
export interface SentDatagram {
  readonly bytes: Uint8Array;
  readonly from: Endpoint;
}

/** An HTTP request, apart from its path. */
export interface HttpQuery {
  readonly client: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** The authority of the URL. */
  readonly host?: string;
}

/** Milliseconds of real time for which a test waits at most. */
const PATIENCE = 30_000;

const realNow = performance.now.bind(performance);
const realReadDirSync = Deno.readDirSync;

/** TCP port of the daemon's HTTP server. */
const HTTP_PORT = 6315;

/** What the daemon uses of TCP sockets, and that returns what it finds. */
const TCP_METHODS = [
  "isOpen",
  "hasUnread",
  "isListening",
  "localPort",
  "setReceiveBuffer",
  "setBacklog",
  "traffic",
  "reset",
  "identity",
  "announce",
  "onAnnounced",
  "offAnnounced",
] as const;

/** Waits in real time until something is so. */
export async function until(
  what: string,
  isSo: () => boolean,
): Promise<void> {
  const end = realNow() + PATIENCE;
  while (!isSo()) {
    if (realNow() > end) throw new Error(`not within ${PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Replaces a property. The function that it returns puts the old one back. */
function replace<Target extends object, Key extends keyof Target>(
  target: Target,
  key: Key,
  value: Target[Key],
): () => void {
  const old = Object.getOwnPropertyDescriptor(target, key);
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    writable: true,
  });
  return () => {
    if (old === undefined) Reflect.deleteProperty(target, key);
    else Object.defineProperty(target, key, old);
  };
}

function keyOf({ hostname, port }: Endpoint): string {
  return `${hostname} ${port}`;
}

function socketClosed(): Error {
  return new Deno.errors.BadResource("the socket is closed");
}

/** How a socket reaches its host. */
interface Network {
  /** Resolves when a datagram leaves, or is rejected. */
  leave(from: Endpoint): Promise<void>;
  deliverToClient(to: Endpoint, datagram: SentDatagram): void;
  close(socket: Socket): void;
  canJoin(): boolean;
}

/** A UDP socket: as much of {@linkcode Deno.DatagramConn} as the daemon uses. */
class Socket {
  readonly #network: Network;
  readonly #queue: { bytes: Uint8Array; from: Endpoint }[] = [];
  readonly #readers: {
    buffer: Uint8Array;
    resolve: (received: [Uint8Array, Deno.Addr]) => void;
    reject: (error: Error) => void;
  }[] = [];
  /** The most readers that have waited at once. */
  #mostReaders = 0;
  #isClosed = false;

  constructor(network: Network, readonly addr: Deno.NetAddr) {
    this.#network = network;
  }

  /** Whether every datagram was read, and all readers wait for the next one. */
  get isIdle(): boolean {
    return this.#queue.length === 0 &&
      this.#readers.length === this.#mostReaders;
  }

  deliver(bytes: Uint8Array, from: Endpoint): void {
    this.#queue.push({ bytes, from });
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve(this.#take(reader.buffer));
  }

  receive(buffer: Uint8Array): Promise<[Uint8Array, Deno.Addr]> {
    if (this.#isClosed) return Promise.reject(socketClosed());
    if (this.#queue.length > 0) return Promise.resolve(this.#take(buffer));
    return new Promise((resolve, reject) => {
      this.#readers.push({ buffer, resolve, reject });
      this.#mostReaders = Math.max(this.#mostReaders, this.#readers.length);
    });
  }

  async send(data: Uint8Array, to: Deno.NetAddr): Promise<number> {
    if (this.#isClosed) throw socketClosed();
    const bytes = data.slice();
    await this.#network.leave(this.addr);
    this.#network.deliverToClient(to, { bytes, from: this.addr });
    return bytes.length;
  }

  joinMulticastV6(): Promise<Pick<Deno.MulticastV6Membership, "leave">> {
    return this.#network.canJoin()
      ? Promise.resolve({ leave: () => Promise.resolve() })
      : Promise.reject(new Error("no such device"));
  }

  close(): void {
    if (this.#isClosed) throw socketClosed();
    this.#isClosed = true;
    this.#network.close(this);
    for (const { reject } of this.#readers.splice(0)) reject(socketClosed());
  }

  #take(buffer: Uint8Array): [Uint8Array, Deno.Addr] {
    const { bytes, from } = this.#queue.shift()!;
    const length = Math.min(bytes.length, buffer.length);
    buffer.set(bytes.subarray(0, length));
    return [buffer.subarray(0, length), { transport: "udp", ...from }];
  }
}

/** A response whose body is not read yet. */
export class OpenResponse {
  /** @param complete Tells the server that the response is over. */
  constructor(
    readonly response: Response,
    readonly complete: () => void,
  ) {}

  /** Reads all of the body. */
  async result(): Promise<{ status: number; text: string }> {
    try {
      const { status, body } = this.response;
      const decoder = new TextDecoder();
      let text = "";
      // A chunk is there only until the next one is asked for.
      for await (const chunk of body ?? []) {
        text += decoder.decode(chunk, { stream: true });
      }
      return { status, text };
    } finally {
      this.complete();
    }
  }

  /** Closes the connection instead. */
  async abandon(): Promise<void> {
    await this.response.body?.cancel();
    this.complete();
  }
}

/** The host. */
export class SimulatedHost implements Disposable {
  /** Milliseconds that the next sends from a UDP port take, by the port. */
  readonly sendTimes = new Map<number, number[]>();
  /** Whether a socket can join a multicast group now. */
  canJoin = true;
  /** Why nothing leaves from a UDP port now; "hold": it waits. */
  readonly sendFaults = new Map<number, Error | "hold">();
  /** Open file descriptors; `undefined` while there is no `/proc`. */
  descriptors: number | undefined;
  /** Connections that send nothing. */
  readonly tcp = new FakeSockets(HTTP_PORT);
  /** The collector's next answers, by path; after them, requests wait. */
  readonly collectorAnswers = new Map<string, (() => Response)[]>();

  readonly #interfaces: Deno.NetworkInterfaceInfo[];
  readonly #restore: readonly (() => void)[];
  readonly #sockets = new Map<string, Socket>();
  readonly #heldSends: (() => void)[] = [];
  /** What clients have got and not looked at, by their endpoints. */
  readonly #inboxes = new Map<string, SentDatagram[]>();
  readonly #servers = new Set<Deno.ServeHandler<Deno.NetAddr>>();
  /** Requests that the collector has not answered, by path. */
  readonly #waitingRequests = new Map<string, ((answer: Response) => void)[]>();
  #isCollectorReleased = false;
  /** Milliseconds since 1970 when the host began, and since then. */
  readonly #began = Date.UTC(2026, 0, 1);
  #now = 0;
  #lastPort = 49_152;
  #lastSeed = 0;

  constructor(interfaces: Deno.NetworkInterfaceInfo[]) {
    this.#interfaces = interfaces;
    this.#restore = [
      replace(performance, "now", () => this.#now),
      replace(Date, "now", () => this.#began + Math.floor(this.#now)),
      replace(Deno, "networkInterfaces", () => this.#interfaces),
      replace(Deno, "listenDatagram", this.#listenDatagram as never),
      replace(Deno, "serve", this.#serve as never),
      replace(Deno, "connect", this.#connect as never),
      replace(Deno, "readDirSync", this.#readDirSync),
      ...TCP_METHODS.map((name) =>
        replace(tcpSockets!, name, this.tcp[name].bind(this.tcp) as never)
      ),
      replace(tcpSockets!, "readPeer", this.#readPeer),
      // Who is on the link is not known, and every other way is.
      replace(multicastGroups, "areJoined", () => true),
      replace(neighbours!, "isKnown", () => false),
      replace(neighbours!, "isNextHopKnown", () => true),
      // Or two sources shared a counter in some runs.
      replace(crypto, "getRandomValues", this.#getRandomValues as never),
      replace(globalThis, "fetch", this.#fetch),
    ];
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore();
  }

  /** Moves the clock. Timers run in real time and do not notice. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** Sends a datagram to a socket of the host. */
  deliver(to: Endpoint, bytes: Uint8Array, from: Endpoint): void {
    const socket = this.#sockets.get(keyOf(to));
    if (socket === undefined) throw new Error(`no socket at ${keyOf(to)}`);
    socket.deliver(bytes, from);
  }

  /** Waits until the daemon has handled every datagram. */
  async idle(): Promise<void> {
    // Lets what follows from a datagram happen, too, unless it waits for more.
    await new Promise((resolve) => setTimeout(resolve));
    await until(
      "all datagrams are handled",
      () => [...this.#sockets.values()].every(({ isIdle }) => isIdle),
    );
  }

  /** Lets held datagrams leave. */
  releaseSends(): void {
    for (const release of this.#heldSends.splice(0)) release();
  }

  /** A client's endpoint, with a port that nobody has used before. */
  newEndpoint(hostname: string): Endpoint {
    const endpoint = { hostname, port: ++this.#lastPort };
    this.#inboxes.set(keyOf(endpoint), []);
    return endpoint;
  }

  /** The next datagram that the host has sent to a client's endpoint. */
  async received(client: Endpoint): Promise<SentDatagram> {
    const inbox = this.#inboxes.get(keyOf(client))!;
    await until(`a datagram for ${keyOf(client)}`, () => inbox.length > 0);
    return inbox.shift()!;
  }

  /** Asks over HTTP, on a new connection, and leaves the body unread. */
  async open(
    path: string,
    { client, method, headers, host = "[2001:db8:1:2::1]:6315" }: HttpQuery,
  ): Promise<OpenResponse> {
    const [handler] = this.#servers;
    if (handler === undefined) throw new Error("no HTTP server listens");
    const { promise: completed, resolve } = Promise.withResolvers<void>();
    const port = ++this.#lastPort;
    const connection = this.tcp.connect(client, port);
    // It reads all that it gets.
    connection.readAtOnce = 1024 * 1024;
    const response = await handler(
      new Request(`http://${host}${path}`, { method, headers }),
      {
        remoteAddr: {
          transport: "tcp",
          hostname: client,
          port,
        },
        completed,
      },
    );
    return new OpenResponse(response, () => {
      this.tcp.disconnect(connection);
      resolve();
    });
  }

  /** Asks over HTTP. */
  async ask(
    path: string,
    query: HttpQuery,
  ): Promise<{ status: number; text: string }> {
    return await (await this.open(path, query)).result();
  }

  /** How many requests to a path of the collector wait for an answer. */
  waitingRequests(path: string): number {
    return this.#waitingRequests.get(path)?.length ?? 0;
  }

  /** Answers the oldest request that waits. */
  answerWaiting(path: string, answer: Response): void {
    this.#waitingRequests.get(path)!.shift()!(answer);
  }

  /** The collector takes everything from now on. */
  releaseCollector(): void {
    this.#isCollectorReleased = true;
    for (const requests of this.#waitingRequests.values()) {
      for (const answer of requests.splice(0)) answer(Response.json({}));
    }
  }

  #listenDatagram = (
    { hostname = "0.0.0.0", port = 0 }: Deno.UdpListenOptions,
  ): Socket => {
    const addr: Deno.NetAddr = {
      transport: "udp",
      hostname,
      port: port === 0 ? ++this.#lastPort : port,
    };
    const key = keyOf(addr);
    if (this.#sockets.has(key)) throw new Deno.errors.AddrInUse(key);
    const socket = new Socket({
      leave: ({ port }) => this.#leave(port),
      deliverToClient: ({ hostname, port }, datagram) => {
        // A link-local address has its zone behind it.
        const client = { hostname: hostname.split("%", 1)[0]!, port };
        this.#inboxes.get(keyOf(client))?.push(datagram);
      },
      close: () => this.#sockets.delete(key),
      canJoin: () => this.canJoin,
    }, addr);
    this.#sockets.set(key, socket);
    return socket;
  };

  async #leave(port: number): Promise<void> {
    this.#now += this.sendTimes.get(port)?.shift() ?? 0;
    const fault = this.sendFaults.get(port);
    if (fault === undefined) return;
    if (fault !== "hold") throw fault;
    await new Promise<void>((resolve) => this.#heldSends.push(resolve));
  }

  #serve = (
    { signal }: Deno.ServeTcpOptions,
    handler: Deno.ServeHandler<Deno.NetAddr>,
  ): { finished: Promise<void>; shutdown: () => Promise<void> } => {
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    const shutdown = () => {
      this.#servers.delete(handler);
      resolve();
      return finished;
    };
    signal?.addEventListener("abort", shutdown);
    this.#servers.add(handler);
    return { finished, shutdown };
  };

  /** The daemon only wants to know whether somebody listens. */
  #connect = (): Promise<{ close(): void }> =>
    this.#servers.size > 0
      ? Promise.resolve({ close() {} })
      : Promise.reject(new Deno.errors.ConnectionRefused());

  #readPeer = (descriptor: number): boolean => {
    const isConnection = this.tcp.readPeer(descriptor);
    tcpSockets!.peerAddress.set(this.tcp.peerAddress);
    tcpSockets!.peerPort = this.tcp.peerPort;
    return isConnection;
  };

  /** Another number for each call, and the same ones in each run. */
  #getRandomValues = <Values extends Uint8Array | Uint32Array>(
    values: Values,
  ): Values => {
    values.fill(++this.#lastSeed);
    return values;
  };

  #readDirSync = (path: string | URL): IteratorObject<Deno.DirEntry> => {
    if (path !== "/proc/self/fd") return realReadDirSync(path);
    if (this.descriptors === undefined) throw new Deno.errors.NotFound(path);
    return new Array<Deno.DirEntry>(this.descriptors).values();
  };

  #fetch = async (input: string | URL | Request): Promise<Response> => {
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    if (this.#isCollectorReleased) return Response.json({});
    const answer = this.collectorAnswers.get(pathname)?.shift();
    if (answer !== undefined) return answer();
    // A request may wait as long as the test likes: no signal ends it.
    return await new Promise((resolve) => {
      const waiting = this.#waitingRequests.get(pathname) ?? [];
      this.#waitingRequests.set(pathname, waiting);
      waiting.push(resolve);
    });
  };
}
