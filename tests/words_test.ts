/**
 * Words that make a sentence hard to search, to skim or to translate. STYLE of
 * this project: name the actor, use the field's term.
 */

import { assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** Folders whose every text file is checked. */
const FOLDERS = ["lib", "tools", "assets", "docs"];

const FILES = /\.(ts|js|css|c|h|nix|md|service|ipxe)$/;

/** A phrase, and what says it plainly. */
const DIALECT: readonly (readonly [RegExp, string])[] = [
  [/\bas a rule\b/, "usually"],
  [/\bfor want of\b/, "out of, without"],
  [/\b(is|are|was|were) told( of)?\b/, "the name of the call or message"],
  [/\btells? of\b/, "reports, contains"],
  [/\bwho(ever)? asks\b/, "a client that requests"],
  [/\bwhoever\b/, "a caller, a client"],
  [/\bsomebody\b/, "another process, a client"],
  [/\bnobody\b/, "no client, no process"],
  [/\bwhom\b/, "which clients"],
  [/\bstands twice\b/, "duplicate"],
  [/\bas (it is|they are) now\b/, "the current state"],
  [/\bas (it|they) came\b/, "unchanged, raw"],
  [/\bstands? in (the|for)\b/, "is in, replaces"],
  [/\bby the way of\b/, "through"],
  [/\bhas had enough\b/, "exceeds its limit"],
  [/\boctets?\b/, "bytes"],
];

/** Where a phrase is the field's own: a name that is an interface. */
const EXEMPT = [
  // JSON keys of log lines and TFTP's transfer mode (RFC 1350 section 5).
  /answer_octets/,
  /"octet"/,
  /mode.*octet|octet.*(mode|netascii)|netascii.*octet/i,
  /application\/octet-stream/,
];

async function* filesBelow(directory: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const url = new URL(isDirectory ? `${name}/` : name, directory);
    if (isDirectory) yield* filesBelow(url);
    else if (FILES.test(name)) yield url;
  }
}

Deno.test("lib, tools, assets and docs use the field's terms", async () => {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for await (const url of filesBelow(new URL(`${folder}/`, ROOT))) {
      const lines = (await Deno.readTextFile(url)).split("\n");
      lines.forEach((line, index) => {
        if (EXEMPT.some((exempt) => exempt.test(line))) return;
        for (const [phrase, plain] of DIALECT) {
          if (!phrase.test(line)) continue;
          const path = url.href.slice(ROOT.href.length);
          found.push(`${path}:${index + 1}: ${phrase.source} (${plain})`);
        }
      });
    }
  }
  assertEquals(found, []);
});
