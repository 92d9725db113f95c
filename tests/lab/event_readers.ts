/**
 * A program that reads a daemon's event stream as many readers at once. Most
 * only count their octets after the state, for all are sent the same. Others
 * take the events apart and look at order and age; some of those lose their
 * connection every second and resume. Some read the state and nothing more.
 *
 * Usage: `event_readers.ts ADDRESS PORT COUNTING PARSING RESUMING STALLING`. It
 * says `reading` when all have the state. At SIGTERM it writes one line of
 * JSON, and ends.
 *
 * @module
 */

const [hostname, port, counting, parsing, resuming, stalling] = [
  Deno.args[0]!,
  ...Deno.args.slice(1).map(Number),
] as [string, number, number, number, number, number];

/** Milliseconds after which a resuming reader loses its connection. */
const PATIENCE = 1000;

/** What the readers that take events apart have seen. */
const seen = { events: 0, disordered: 0, states: 0, connections: 0 };
const ages: number[] = [];
const octets: number[] = [];
let ready = 0;

async function connect(query = "", header = ""): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname, port });
  // An answer to HTTP/1.0 has no frames: what is read is what was written.
  const request = `GET /events${query} HTTP/1.0\r\nHost: [${hostname}]\r\n` +
    `${header}\r\n`;
  await connection.write(new TextEncoder().encode(request));
  return connection;
}

/** Reads to the end of the state; what came behind it. */
async function readState(
  connection: Deno.TcpConn,
  buffer: Uint8Array,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (true) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("ended in the state");
    text += decoder.decode(buffer.subarray(0, read), { stream: true });
    const end = /\ndata: .*\n\n/.exec(text);
    if (end === null) continue;
    if (++ready === counting + parsing + resuming + stalling) {
      console.log("reading");
    }
    return text.slice(end.index + end[0].length);
  }
}

async function counts(index: number): Promise<void> {
  const connection = await connect();
  const buffer = new Uint8Array(65536);
  octets[index] = (await readState(connection, buffer)).length;
  for (let read; (read = await connection.read(buffer)) !== null;) {
    octets[index]! += read;
  }
}

/** Looks at one block of a stream; the number of the last event. */
function look(block: string, last: number): number {
  const id = /^id: [0-9a-f]+-([0-9]+)$/m.exec(block)?.[1];
  if (id === undefined) return last;
  const time = /"ipv6_address".*"timestamp":"([^"]+)"/.exec(block)?.[1];
  if (time === undefined) {
    seen.states++;
    return Number(id);
  }
  seen.events++;
  if (last !== 0 && Number(id) !== last + 1) seen.disordered++;
  ages.push(Date.now() - Date.parse(time));
  return Number(id);
}

async function parses(): Promise<void> {
  const connection = await connect();
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = await readState(connection, buffer);
  let last = 0;
  for (let read; (read = await connection.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, read), { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) last = look(block, last);
  }
}

async function resumes(): Promise<void> {
  const buffer = new Uint8Array(65536);
  let lastId = "";
  let last = 0;
  while (true) {
    const connection = lastId === ""
      ? await connect()
      : await connect("?resume=1", `Last-Event-ID: ${lastId}\r\n`);
    seen.connections++;
    const decoder = new TextDecoder();
    let text = lastId === "" ? await readState(connection, buffer) : "";
    const end = performance.now() + PATIENCE;
    while (performance.now() < end || lastId === "") {
      const read = await connection.read(buffer);
      if (read === null) break;
      text += decoder.decode(buffer.subarray(0, read), { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        last = look(block, last);
        lastId = /^id: (.*)$/m.exec(block)?.[1] ?? lastId;
      }
    }
    connection.close();
  }
}

async function stalls(): Promise<void> {
  const connection = await connect();
  await readState(connection, new Uint8Array(65536));
}

Deno.addSignalListener("SIGTERM", () => {
  ages.sort((a, b) => a - b);
  const at = (part: number) => ages[Math.floor(part * ages.length)];
  console.log(JSON.stringify({
    leastOctets: octets.reduce((a, b) => Math.min(a, b), Infinity),
    mostOctets: octets.reduce((a, b) => Math.max(a, b), 0),
    ...seen,
    p50: at(0.5),
    p99: at(0.99),
  }));
  Deno.exit(0);
});
const kinds: [number, (index: number) => Promise<void>][] = [
  [stalling, stalls],
  [parsing, parses],
  [resuming, resumes],
  [counting, counts],
];
for (const [count, read] of kinds) {
  for (let index = 0; index < count; index++) {
    read(index).catch((error) => {
      console.error(`reader ${index}: ${error.message}`);
      Deno.exit(1);
    });
    if (index % 50 === 49) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
