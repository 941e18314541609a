"""The command `unenroll`, killed by itself while it sends messages."""

import os
import signal
from itertools import count

from unenroll.cli import main
from unenroll.ops.publish import Sender
from unenroll.wire.topics import Message


def send_two() -> None:
    """Be the command until two messages of it have arrived on a topic. To be called in a process of its own."""
    send = Sender.send
    sent = count(1)

    def last(sender: Sender, message: Message) -> None:
        send(sender, message)
        if next(sent) == 2:
            sender.finish()
            os.kill(os.getpid(), signal.SIGKILL)

    Sender.send = last  # type: ignore[assignment, method-assign]
    main()
