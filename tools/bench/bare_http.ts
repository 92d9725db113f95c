/**
 * The bare server for HTTP: the runtime's own stream of a file. How far the
 * runtime itself gets.
 *
 * Usage: `bare_http.ts PORT FILE [CERTIFICATE KEY]`; with these, over HTTPS
 *
 * @module
 */

const [port, path, certFile, keyFile] = Deno.args as [
  string,
  string,
  string?,
  string?,
];
const { size } = await Deno.stat(path);
const tls = certFile === undefined || keyFile === undefined ? {} : {
  cert: await Deno.readTextFile(certFile),
  key: await Deno.readTextFile(keyFile),
};

Deno.serve({ hostname: "::", port: Number(port), ...tls }, async () => {
  const file = await Deno.open(path);
  return new Response(file.readable, {
    headers: { "content-length": String(size) },
  });
});
