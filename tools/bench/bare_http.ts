/**
 * The bare server for HTTP: the runtime's own stream of a file. How far the
 * runtime itself gets.
 *
 * Usage: `bare_http.ts PORT FILE [CERTIFICATE KEY]`; with these, over HTTPS
 *
 * @module
 */

/** Serves a file, whatever the path in the URL is. */
export async function serveFile(
  port: number,
  path: string,
  certFile?: string,
  keyFile?: string,
): Promise<void> {
  const { size } = await Deno.stat(path);
  const tls = certFile === undefined || keyFile === undefined ? {} : {
    cert: await Deno.readTextFile(certFile),
    key: await Deno.readTextFile(keyFile),
  };
  Deno.serve({ hostname: "::", port, ...tls }, async () => {
    const file = await Deno.open(path);
    return new Response(file.readable, {
      headers: { "content-length": String(size) },
    });
  });
}

if (import.meta.main) {
  const [port, path, ...tls] = Deno.args;
  await serveFile(Number(port), path!, ...tls);
}
