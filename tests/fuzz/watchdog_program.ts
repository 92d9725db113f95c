/** The watchdog's thread. */

/** Milliseconds that one input may take. */
const PATIENCE = 30_000;

/** Starts when it gets the shared memory. */
export function watchdogProgram(): Worker {
  return new Worker(import.meta.url, { type: "module" });
}

function watch(shared: SharedArrayBuffer): void {
  const numbers = new Int32Array(shared, 0, 3);
  const octets = new Uint8Array(shared, numbers.byteLength);
  let seen = -1;
  setInterval(() => {
    const [count, nameLength, inputLength] = numbers as unknown as [
      number,
      number,
      number,
    ];
    if (count === 0 || count !== seen) {
      seen = count;
      return;
    }
    const name = new TextDecoder().decode(octets.slice(0, nameLength));
    const input = octets.slice(nameLength, nameLength + inputLength);
    console.log(
      `an input did not end in ${PATIENCE / 1000} s\n` +
        `again: deno task fuzz --only ${name} --input ${input.toHex()}\n` +
        "0 passed, 1 failed",
    );
    // Deno.exit ends a worker only.
    Deno.kill(Deno.pid, "SIGKILL");
  }, PATIENCE);
}

if ("WorkerGlobalScope" in globalThis) {
  addEventListener(
    "message",
    (event) => watch((event as MessageEvent<SharedArrayBuffer>).data),
  );
}
