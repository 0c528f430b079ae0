"""The transactions on one connection to a mail server: a state machine over replies, one round trip for each mail.

Where the server offers PIPELINING (RFC 2920), the envelope of the next mail goes out behind the end of one, in the same
write. Promises: a mail is accepted by a 2xx in the place of its own last reply, and by nothing else. A body that is let
in although everybody was refused ends at once with a lone dot. A body too large for the kernel's buffers keeps its last
dot until the rest was taken, so that a broken connection proves that nothing was accepted.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TypeVar

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.smtp import replies
from digest.delivery.transports.smtp.commands import Commands
from digest.delivery.transports.smtp.envelope import END
from digest.delivery.transports.smtp.mail import Mail, Opener, Post
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import Reply, Stage, away, judge
from digest.delivery.transports.smtp.wire import Wire

WHOLE = 1 << 17  # bytes; larger bodies wait with their last dot

C = TypeVar("C", contravariant=True)


class Exchange(Wire):
    """Mail after mail over one connection; what begins and ends it is for the subclass."""

    def __init__(self, post: Post[C], relay: Relay) -> None:
        super().__init__(relay)
        self.accepted = 0
        self.answered = False  # whether the server has said anything about one mail, good or bad
        self._settle_one, self._all_refused, self._held = post.settle, post.refused, post.held
        self._commands = Commands(pipelining=False)
        self._opener = Opener(post, self.offer, relay.bounces)
        self._mail: Mail | None = None  # its envelope is out
        self._sent: Mail | None = None  # its body is out
        self._parked = False  # the body was asked for while none may be written
        self._cancelled = False  # a mail was recalled whose envelope is out
        self._ending: bytes | None = None  # the last dot of a body that is not taken yet, and what follows it
        self._behind = 0  # bytes written behind the last dot
        self._full = False
        self._handlers = {
            Stage.RSET: self._on_rset,
            Stage.MAIL: self._on_mail,
            Stage.RCPT: self._on_rcpt,
            Stage.DATA: self._on_data,
            Stage.DOT: self._on_dot,
            Stage.LONE_DOT: self._on_lone_dot,
            Stage.QUIT: self._on_quit,
        }

    @abstractmethod
    def _end(self, why: Receipt | None, *, blamed: bool = True) -> None:
        """Settles what is under way, and tells the owner; only the first end counts.

        None: nothing went wrong. `blamed`: it may be because of the mail whose envelope is out.
        """

    @property
    def busy(self) -> bool:
        """Whether a reply is awaited, or room for the rest of a body."""
        return bool(self._commands) or self._ending is not None

    # --- asyncio and the wire call these

    def replied(self, reply: Reply) -> None:
        if not self._commands:
            closing = reply.code == 421 and self._mail is None
            self._end(None if closing else away("unasked", f"It said {reply.code} without being asked."))
            return
        stage = self._commands.answered()
        if reply.code == 421 and stage is not Stage.DOT:
            self._end(_closing(reply), blamed=stage in (Stage.RCPT, Stage.DATA))
        else:
            self._handlers[stage](reply)

    def rest(self) -> None:
        """What is awaited now has its deadline from now."""
        if self._ending is not None:
            self.deadline = time.monotonic() + self.relay.timeouts.block
        elif self._commands:
            self.wait_for(self._commands.next)
        else:
            self.deadline = time.monotonic() + self.relay.timeouts.idle

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        """The rest of a large body was taken: its end may follow."""
        self._full = False
        if self._ending is None or self.over is not None:
            return
        if self._held():
            self._end(None)
        else:
            ending, self._ending = self._ending, None
            self._write(ending)
            self.rest()

    # --- the replies

    def _on_rset(self, reply: Reply) -> None:
        if reply.code < 300:
            self._follow(Stage.RSET, reply)
        else:
            self._confused(Stage.RSET, reply)

    def _on_mail(self, reply: Reply) -> None:
        if reply.code < 300:
            self._follow(Stage.MAIL, reply)
        elif reply.code < 400:
            self._confused(Stage.MAIL, reply)
        elif (receipt := judge(Stage.MAIL, reply)).answer is Answer.POLICY:
            self._refuse(receipt)
        else:
            mail = self._mail
            if receipt.answer is Answer.RELAY and mail is not None:
                self._mail = None
                self._settle(mail, receipt)
            self._end(receipt, blamed=False)

    def _on_rcpt(self, reply: Reply) -> None:
        if reply.code < 300:
            self._follow(Stage.RCPT, reply)
        elif reply.code < 400:
            self._confused(Stage.RCPT, reply)
        elif self._mail is not None:
            self._refuse(judge(Stage.RCPT, reply))

    def _on_data(self, reply: Reply) -> None:
        if self._cancelled:
            self._end(None)
        elif reply.code == 354 and not self._early:
            if self._mail is None:
                self._write(END + self._next_group(Stage.LONE_DOT))
            elif self._held():
                self._parked = True
            else:
                self._send_body()
        elif reply.code < 400:
            self._confused(Stage.DATA, reply)
        else:
            if self._mail is not None:
                self._refuse(judge(Stage.DATA, reply))
            self._commands.left_open = True
            self._proceed()

    def _on_dot(self, reply: Reply) -> None:
        """The answer to a mail. One that came before the dot was written is no acceptance."""
        mail, too_early = self._sent, self._ending is not None or self._unwritten() > self._behind
        if mail is None or (reply.code < 400 and (reply.code >= 300 or too_early)):
            self._confused(Stage.DOT, reply)
            return
        self._sent = None
        self.answered = True
        if reply.code < 300:
            self.accepted += 1
            self._settle_one(mail, replies.accepted(reply))
        else:
            self._settle(mail, judge(Stage.DOT, reply))
        if reply.code == 421 or too_early:
            self._end(_closing(reply))
        elif self._cancelled:
            self._end(None)
        else:
            self._proceed()

    def _on_lone_dot(self, reply: Reply) -> None:
        self._proceed()

    def _on_quit(self, reply: Reply) -> None:
        self._end(None)

    # --- the steps

    def _proceed(self) -> None:
        """On with the next mail, unless its envelope is out already, or the server has gone on by itself."""
        if not self._commands and not self._early and self._mail is None and (group := self._group()):
            self._write(group)

    def _follow(self, stage: Stage, reply: Reply) -> None:
        """Without pipelining: on with the next command; more than the reply would be an answer to it before it."""
        if line := self._commands.follow():
            if self._early:
                self._confused(stage, reply)
            else:
                self._write(line)

    def _refuse(self, receipt: Receipt) -> None:
        """The mail of the envelope is answered; what the server still says about the envelope concerns nobody."""
        mail, self._mail = self._mail, None
        self.answered = True
        if mail is not None:
            self._settle(mail, receipt)
        if self._commands.refused():
            self._proceed()

    def _settle(self, mail: Mail, receipt: Receipt) -> None:
        self._settle_one(mail, receipt)
        if receipt.answer is Answer.RELAY:
            self._all_refused(receipt)

    def _send_body(self) -> None:
        mail = self._mail
        if mail is None or self._transport is None:
            return
        body, self._mail, self._sent = mail.body, None, mail
        tail = END + self._next_group(Stage.DOT)
        self._behind = len(tail) - len(END)
        if len(body) <= WHOLE:
            self._transport.writelines((body, tail))
            return
        self._transport.write(body)
        if self._full:
            self._ending = tail
        else:
            self._transport.write(tail)

    def _next_group(self, stage: Stage) -> bytes:
        """What follows the end of a mail whose reply is awaited at `stage`."""
        self._commands.ask(stage)
        return self._group() if self.offer.pipelining else b""

    def _group(self) -> bytes:
        """The envelope of the next mail, or its first command; empty when there is none."""
        found = self._opener.next()
        if found is None:
            return b""
        self._mail, mail, rcpt = found
        return self._commands.open(mail, rcpt)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _unwritten(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _confused(self, stage: Stage, reply: Reply) -> None:
        self._end(away(reply.short, f"It gave an answer that has no meaning there, {reply.code}, at {stage.value}."))


def _closing(reply: Reply) -> Receipt:
    return away(reply.short, f"The mail server closed the connection: {reply.text}")
