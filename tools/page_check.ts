/**
 * How the scripts of the page are type-checked. They have a configuration of
 * their own, because their types are in JSDoc and they run in a browser: they
 * have the DOM and no `Deno`, the daemon has `Deno` and no DOM.
 *
 * @module
 */

/** The arguments with which Deno checks every script of the page. */
export function pageCheck(root: string): string[] {
  const config = `${root}/tools/page_check.json`;
  return [
    "check",
    "--config",
    config,
    `${root}/assets/page`,
    `${root}/assets/shared`,
  ];
}
