/**
 * First messages of boot loaders, as they were seen, in hexadecimal. The MAC is
 * 02:00:5e:00:53:01.
 *
 * @module
 */

/** What a Raspberry Pi 4 sends first. */
export const RASPBERRY_PI = "01000001 0001000a0003000102005e005301 0003000c" +
  "00".repeat(12) + "00060002003b 003d00020029 000800020000";

/** U-Boot for 64-bit ARM. */
export const U_BOOT = "01000001 0001000a0003000102005e005301 0008 0002 0000" +
  "0006 0006 003b 0052 003c 0010 000c 00000157 0006 552d426f6f74" +
  "003d 0002 0016 003e 0003 010000 0003 000c 00000001 00000000 00000000";

/** What GRUB's net_bootp6 solicits with (2.06). */
export const GRUB_SOLICIT = "01a8d70c 0003 000c 00000000 00000000 00000000" +
  "0001 000a 00030001 02005e005301 0008 0002 0000";

/** GRUB's net_bootp6, with what its Request has. */
export const GRUB = "01000001 0001000a0003000102005e005301" +
  "0003 000c 5e005301 00000000 00000000 0006 0004 003b 0017 0008 0002 0000";
