/**
 * A program that sends bytes to an HTTP server and shows what comes back.
 *
 * Usage: `raw_http.ts ADDRESS PORT FILE SECONDS`: sends what is in `FILE` and
 * writes what comes until the server closes, or for so many seconds.
 *
 * @module
 */

const [hostname, port, file, seconds] = [
  Deno.args[0]!,
  Number(Deno.args[1]),
  Deno.args[2]!,
  Number(Deno.args[3]),
];
const connection = await Deno.connect({ hostname, port });
setTimeout(() => Deno.exit(0), 1000 * seconds);
const bytes = await Deno.readFile(file);
void (async () => {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
})().catch(() => {});
try {
  await connection.readable.pipeTo(Deno.stdout.writable);
} catch (error) {
  console.error((error as Error).message);
}
Deno.exit(0);
