/**
 * Loaded by `deno test` before each test file: notes in the file
 * `TEST_PROGRESS` when the tests of a file begin and end, which the output of
 * `deno test --parallel` does not say.
 *
 * @module
 */

const path = Deno.env.get("TEST_PROGRESS");

if (path !== undefined) {
  for (const type of ["load", "unload"]) {
    addEventListener(type, () => {
      const event = { type, file: Deno.mainModule, time: Date.now() };
      Deno.writeTextFileSync(path, `${JSON.stringify(event)}\n`, {
        append: true,
      });
    });
  }
}
