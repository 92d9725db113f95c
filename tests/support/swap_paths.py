"""Swaps what two paths lead to, again and again, by renameat2(2).

Usage: swap_paths.py SECONDS PATH PATH
"""

import ctypes
import sys
import time

AT_FDCWD = -100
RENAME_EXCHANGE = 2

libc = ctypes.CDLL(None, use_errno=True)
end = time.monotonic() + float(sys.argv[1])
first, second = (path.encode() for path in sys.argv[2:])
print("swapping", flush=True)
while time.monotonic() < end:
    if libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) != 0:
        sys.exit(f"renameat2: error {ctypes.get_errno()}")
