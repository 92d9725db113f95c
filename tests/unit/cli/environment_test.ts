import { assertEquals } from "@std/assert";
import { freePort } from "../../support/free_port.ts";

const PROGRAM = `
import { ignoreEnvironment } from "${
  import.meta.resolve("../../../lib/cli/environment.ts")
}";
if (Deno.args[0] === "ignore") ignoreEnvironment();
const { promise, resolve } = Promise.withResolvers();
const server = Deno.serve({
  hostname: "::1",
  port: 0,
  onListen: ({ port }) => resolve(port),
}, () => new Response("itself"));
const text = await fetch("http://[::1]:" + await promise)
  .then((response) => response.text(), () => "the proxy");
const other = await Deno.connect({ hostname: "::1", port: +Deno.args[1] })
  .then((connection) => connection.close(), () => "closed");
console.log(text, other ?? "open", Object.keys(Deno.env.toObject()).join());
Deno.exit();
`;

/** What a program finds that serves and connects to itself. */
async function found(mode: string): Promise<string> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, PROGRAM);
  const port = freePort("::1");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-all", file, mode, String(port)],
    env: {
      DENO_SERVE_ADDRESS: `tcp:[::1]:${port}`,
      HTTP_PROXY: "http://[::1]:1",
      http_proxy: "http://[::1]:1",
      HTTPS_PROXY: "http://[::1]:1",
      all_proxy: "http://[::1]:1",
      NO_PROXY: "example",
      DENO_TLS_CA_STORE: "system",
      JOURNAL_STREAM: "1:2",
      TZ: "UTC",
    },
    clearEnv: true,
  }).output();
  await Deno.remove(file);
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("the environment says nothing about addresses", async () => {
  const [text, other, names] = (await found("ignore")).split(" ");
  assertEquals([text, other], ["itself", "closed"]);
  assertEquals(
    names!.split(",").filter((name) => /deno|proxy/i.test(name)),
    [],
  );
  assertEquals(
    names!.includes("JOURNAL_STREAM") && names!.includes("TZ"),
    true,
  );
  // As the runtime does it: else there is nothing to ignore.
  const [proxied, open] = (await found("use")).split(/ (?=open|closed)/);
  assertEquals([proxied, open!.split(" ")[0]], ["the proxy", "open"]);
});
