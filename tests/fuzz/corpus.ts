/** The corpus: inputs in `tests/fuzz/corpus/`, one file for each target. */

import { octetsOf } from "./mutate.ts";

const DIRECTORY = new URL("corpus/", import.meta.url);

/** The form of an input in a file: text if it is valid UTF-8, else hexadecimal. */
type Entry = string | { readonly hex: string };

function fileOf(name: string): URL {
  return new URL(`${name}.json`, DIRECTORY);
}

function octetsIn(entry: Entry): Uint8Array {
  return typeof entry === "string"
    ? octetsOf(entry)
    : Uint8Array.fromHex(entry.hex);
}

function entryOf(input: Uint8Array): Entry {
  const isText = input.length > 0 &&
    input.every((octet) => octet === 9 || octet === 10 || octet > 31) &&
    input.every((octet) => octet < 127);
  return isText ? new TextDecoder().decode(input) : { hex: input.toHex() };
}

/** Reads the inputs of a target. */
export async function readCorpus(name: string): Promise<Uint8Array[]> {
  try {
    const entries = JSON.parse(await Deno.readTextFile(fileOf(name)));
    return (entries as Entry[]).map(octetsIn);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Replaces the inputs of a target. */
export async function writeCorpus(
  name: string,
  inputs: readonly Uint8Array[],
): Promise<void> {
  const lines = inputs.map((input) => `  ${JSON.stringify(entryOf(input))}`);
  await Deno.writeTextFile(fileOf(name), `[\n${lines.join(",\n")}\n]\n`);
}
