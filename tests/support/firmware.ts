/**
 * A client of HTTP that does what UEFI HTTP boot does, for a network that
 * fails: HEAD, then GET on the same connection, which is cut after so many
 * bytes; called again with the tag, it asks for the rest. Runs inside a
 * namespace.
 *
 * Usage: `firmware.ts ADDRESS PORT PATH FILE CUT` begins a download into FILE
 * and cuts it behind CUT bytes; `firmware.ts ADDRESS PORT PATH FILE SIZE ETAG`
 * goes on behind what FILE has, up to SIZE. It writes a line of JSON for each answer.
 *
 * @module
 */

const [hostname, port, path, file, cut, etag] = Deno.args as [
  string,
  string,
  string,
  string,
  string,
  string | undefined,
];

/** A connection, and what came through it that is not read yet. */
class Connection {
  #rest = new Uint8Array(0);

  private constructor(readonly socket: Deno.TcpConn) {}

  static async open(): Promise<Connection> {
    return new Connection(
      await Deno.connect({ hostname, port: Number(port) }),
    );
  }

  async ask(method: string, headers: Record<string, string> = {}) {
    const lines = [
      `${method} ${path} HTTP/1.1`,
      `Host: [${hostname}]:${port}`,
      "Accept: */*",
      "User-Agent: UefiHttpBoot/1.0",
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    const writer = this.socket.writable.getWriter();
    await writer.write(
      new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"),
    );
    writer.releaseLock();
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      head += String.fromCharCode((await this.take(1))![0]!);
    }
    const [status, ...rest] = head.trimEnd().split("\r\n");
    const answer = {
      method,
      status: Number(status!.split(" ")[1]),
      headers: Object.fromEntries(rest.map((line) => {
        const colon = line.indexOf(":");
        return [
          line.slice(0, colon).toLowerCase(),
          line.slice(colon + 1).trim(),
        ];
      })),
    };
    console.log(JSON.stringify(answer));
    return answer;
  }

  /** At most so many bytes; `undefined` at the end. */
  async take(most: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length === 0) {
      const buffer = new Uint8Array(65536);
      const length = await this.socket.read(buffer);
      if (length === null) return undefined;
      this.#rest = buffer.slice(0, length);
    }
    const taken = this.#rest.slice(0, most);
    this.#rest = this.#rest.slice(most);
    return taken;
  }
}

const connection = await Connection.open();
using output = await Deno.open(file, {
  write: true,
  create: true,
  append: true,
});
let wanted: number;
if (etag === undefined) {
  const { headers } = await connection.ask("HEAD");
  const get = await connection.ask("GET");
  wanted = Math.min(
    Number(cut),
    Number(get.headers["content-length"] ?? headers["content-length"]),
  );
} else {
  const have = (await output.stat()).size;
  const answer = await connection.ask("GET", {
    Range: `bytes=${have}-${Number(cut) - 1}`,
    "If-Match": etag,
  });
  wanted = answer.status === 206 ? Number(answer.headers["content-length"]) : 0;
}
for (let got = 0; got < wanted;) {
  const octets = await connection.take(wanted - got);
  if (octets === undefined) break;
  got += octets.length;
  for (let at = 0; at < octets.length;) {
    at += await output.write(octets.subarray(at));
  }
}
connection.socket.close();
