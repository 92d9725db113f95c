/**
 * The bare server for HTTP: the runtime's own stream of a file. How far the
 * runtime itself gets.
 *
 * Usage: `bare_http.ts PORT FILE`
 *
 * @module
 */

const [port, path] = [Number(Deno.args[0]), Deno.args[1]!];
const { size } = await Deno.stat(path);

Deno.serve({ hostname: "::", port }, async () => {
  const file = await Deno.open(path);
  return new Response(file.readable, {
    headers: { "content-length": String(size) },
  });
});
