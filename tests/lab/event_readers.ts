/**
 * A program that reads a daemon's event stream as many readers at once. Every
 * one counts its octets after the state, for all are sent the same; some take
 * the events apart and look at order and age.
 *
 * Usage: `event_readers.ts ADDRESS PORT COUNT PARSING`. It says `reading` when
 * all have the state, and writes one line of JSON when it gets SIGTERM.
 *
 * @module
 */

const [hostname, port, count, parsing] = [
  Deno.args[0]!,
  Number(Deno.args[1]),
  Number(Deno.args[2]),
  Number(Deno.args[3]),
];

/** What the readers that take events apart have seen. */
const seen = { events: 0, disordered: 0, ages: [] as number[] };
const octets: number[] = [];
let ready = 0;

// An answer to HTTP/1.0 has no frames: what is read is what was written.
const REQUEST = new TextEncoder().encode(
  `GET /events HTTP/1.0\r\nHost: [${hostname}]\r\n\r\n`,
);

async function connect(): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname, port });
  await connection.write(REQUEST);
  return connection;
}

/** Reads to the end of the state; what came behind it. */
async function readState(
  connection: Deno.TcpConn,
  buffer: Uint8Array,
): Promise<string> {
  let text = "";
  while (true) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("ended in the state");
    text += new TextDecoder().decode(buffer.subarray(0, read));
    const end = /\ndata: .*\n\n/.exec(text);
    if (end === null) continue;
    if (++ready === count) console.log("reading");
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

async function parses(index: number): Promise<void> {
  const connection = await connect();
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = await readState(connection, buffer);
  octets[index] = text.length;
  let last = 0;
  while (true) {
    const read = await connection.read(buffer);
    if (read === null) return;
    const now = Date.now();
    octets[index]! += read;
    text += decoder.decode(buffer.subarray(0, read));
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const id = /^id: [0-9a-f]+-([0-9]+)$/m.exec(block)?.[1];
      const time = /"timestamp":"([^"]+)"/.exec(block)?.[1];
      if (id === undefined || time === undefined) continue;
      seen.events++;
      if (last !== 0 && Number(id) !== last + 1) seen.disordered++;
      last = Number(id);
      seen.ages.push(now - Date.parse(time));
    }
  }
}

Deno.addSignalListener("SIGTERM", () => {
  seen.ages.sort((a, b) => a - b);
  const at = (part: number) => seen.ages[Math.floor(part * seen.ages.length)];
  console.log(JSON.stringify({
    leastOctets: octets.reduce((a, b) => Math.min(a, b), Infinity),
    mostOctets: octets.reduce((a, b) => Math.max(a, b), 0),
    events: seen.events,
    disordered: seen.disordered,
    p50: at(0.5),
    p99: at(0.99),
  }));
  Deno.exit(0);
});
for (let index = 0; index < count; index++) {
  const read = index < parsing ? parses(index) : counts(index);
  read.catch((error) => {
    console.error(`reader ${index}: ${error.message}`);
    Deno.exit(1);
  });
  if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5));
}
