"""Prints what zsh offers for a command line, as it inserts it.

Usage: zsh_complete.py DIRECTORY LINE: with the completion functions in
DIRECTORY, and Tab at the end of LINE. A list is printed as zsh shows it.
"""

import os
import pty
import re
import select
import sys
import time

SECONDS = 10

directory, line = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="ready> ", COLUMNS="200")
    os.execvp("zsh", ["zsh", "-f", "-i"])


def read_for(seconds: float, pattern: str = "(?!)") -> str:
    """What zsh prints until a pattern appears, or that time is over."""
    text = ""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not re.search(pattern, text):
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


read_for(SECONDS, "ready> ")
setup = f"fpath=({directory} $fpath); autoload -U compinit; compinit -u -D; "
os.write(terminal, (setup + "echo do''ne\n").encode())
read_for(SECONDS, "done\r?\n")
read_for(SECONDS, "ready> ")
# Tab, and what zsh shows then.
os.write(terminal, (line + "\t").encode())
shown = read_for(3)
os.write(terminal, b"\x03exit\n")
shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x08|\x07|\r", "", shown)
print("\n".join(re.split(r"\s+", shown)))
os.close(terminal)
os.waitpid(pid, 0)
