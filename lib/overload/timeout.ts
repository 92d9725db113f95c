/**
 * Waiting for time, and for things that may take too long.
 *
 * @module
 */

/** Waits so many milliseconds. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Waits until something is settled, but not longer than `milliseconds`.
 *
 * @throws what it is rejected with in time.
 */
export async function waitAtMost(
  milliseconds: number,
  something: Promise<unknown> | undefined,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([something, late]);
  } finally {
    clearTimeout(timer);
  }
}
