"""Blocks that are lent, the two sides in one process: filled only while they are lent, within limits; none is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from daglite.runtime.transport import result_buffers as loans
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter, Kind
from daglite.runtime.transport.result_buffers import BufferQuota, ResultBufferPool, WorkerBuffers
from daglite.runtime.transport.shared_memory import SHARED_BYTES, Arena, pack_numbers

MIB = 1024 * 1024


def refuse(*_: object) -> int:
    raise OSError("no memory files here")


class Pair:
    """A worker's side and the coordinator's, wired."""

    def __init__(self, fund: BufferQuota | None = None) -> None:
        self.lender, self.borrowed = ResultBufferPool(), WorkerBuffers()
        self.lender.quota = fund or BufferQuota()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._reader, self._writer = FrameReader(self.lender), FrameWriter(self.borrowed)
        self._their_reader, self._our_writer = FrameReader(), FrameWriter()

    def lend(self) -> int:
        """What is offered reaches the worker; how many blocks that is."""
        offer = self.lender.grant()
        if offer is None:
            return 0
        self._our_writer.push(*offer)
        self._our_writer.flush(self._ours)
        (frame,) = self._their_reader.read(self._theirs)
        self.borrowed.receive(frame, self._their_reader.mappings.frame_descriptors)
        return len(frame.segments[0]) // 8

    def answer(self, *views: Any) -> list[bytes]:
        """Captured results reach the coordinator; what they are there."""
        self._theirs.setblocking(False)
        if (want := self.borrowed.request()) is not None:
            self._writer.push(want)
        self._writer.push(Frame(Kind.DONE, segments=[b"head", *views]))
        while True:
            self._writer.flush(self._theirs)
            try:
                frames = self._reader.read(self._ours)
            except BlockingIOError:
                continue
            for frame in frames:
                if frame.kind is Kind.BUFFER_REQUEST:
                    self.lender.request(frame)
                else:
                    return [bytes(segment) for segment in frame.segments[1:]]

    def is_shared(self, view: object) -> bool:
        return self.borrowed.block_of(view) is not None

    def close(self) -> None:
        self.lender.close()
        self.borrowed.close()
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def paired(nothing_left: None) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(fund: BufferQuota | None = None) -> Pair:
        made.append(Pair(fund))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def test_what_had_no_block_has_one_the_next_time(paired: Callable[..., Pair]) -> None:
    pair = paired()
    for value, shared in ((b"a", False), (b"b", True), (b"c", True)):
        view = pair.borrowed.put(memoryview(value * SHARED_BYTES))
        assert pair.is_shared(view) is shared
        assert pair.answer(view) == [value * SHARED_BYTES]
        assert pair.lend() == 1
    # It was lent anew each time, and is free.
    assert pair.borrowed.put(memoryview(bytes(SHARED_BYTES - 1))) is None


def test_a_block_is_not_filled_again_before_it_is_lent_again(paired: Callable[..., Pair]) -> None:
    pair = paired()
    pair.answer(pair.borrowed.put(memoryview(b"a" * SHARED_BYTES)))
    assert pair.lend() == 1
    first = pair.borrowed.put(memoryview(b"b" * SHARED_BYTES))
    second = pair.borrowed.put(memoryview(b"c" * SHARED_BYTES))
    assert (pair.is_shared(first), pair.is_shared(second)) == (True, False)
    assert pair.answer(first, second) == [b"b" * SHARED_BYTES, b"c" * SHARED_BYTES]
    pair.borrowed.reclaim()
    third = pair.borrowed.put(memoryview(b"d" * SHARED_BYTES))
    assert not pair.is_shared(third)
    # The one that came back, and one more that was wanted.
    assert pair.lend() == 2


def test_a_block_that_was_filled_for_nothing_is_free_again(paired: Callable[..., Pair]) -> None:
    pair = paired()
    pair.answer(pair.borrowed.put(memoryview(b"a" * SHARED_BYTES)))
    pair.lend()
    for _ in range(3):
        dropped = pair.borrowed.put(memoryview(b"b" * SHARED_BYTES))
        assert pair.is_shared(dropped)
        pair.borrowed.reclaim()


def test_a_block_that_is_given_up_at_once_is_free_once(paired: Callable[..., Pair]) -> None:
    pair = paired()
    pair.answer(pair.borrowed.put(memoryview(b"a" * SHARED_BYTES)))
    pair.lend()
    pair.borrowed.free_views([pair.borrowed.put(memoryview(b"b" * SHARED_BYTES))])
    pair.borrowed.reclaim()
    views = [pair.borrowed.put(memoryview(value * SHARED_BYTES)) for value in (b"c", b"d")]
    assert pair.answer(*views) == [b"c" * SHARED_BYTES, b"d" * SHARED_BYTES]
    assert not pair.is_shared(views[1])


def test_a_fund_is_shared_and_has_limits(paired: Callable[..., Pair]) -> None:
    fund = BufferQuota()
    one, other = paired(fund), paired(fund)
    for pair in (one, other):
        pair.answer(*[pair.borrowed.put(memoryview(bytes(SHARED_BYTES))) for _ in range(20)])
    assert (one.lend(), other.lend()) == (20, 12)
    one.lender.close()
    # What was lent to one that has ended may be lent to others.
    other.answer(*[other.borrowed.put(memoryview(bytes(SHARED_BYTES))) for _ in range(20)])
    assert other.lend() == 20


def test_a_block_that_cannot_be_made_does_not_count(
    paired: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = paired()
    pair.answer(pair.borrowed.put(memoryview(b"a" * SHARED_BYTES)))
    with monkeypatch.context() as patched:
        patched.setattr(loans, "new_file", refuse)
        assert pair.lend() == 0
    assert pair.lender.quota.spend(200 * MIB)
    pair.lender.quota.repay(200 * MIB)


def test_what_comes_through_the_socket_is_received_where_the_last_one_was(paired: Callable[..., Pair]) -> None:
    pair = paired()
    places = set()
    for number in range(5):
        room = pair.lender.allocate(SHARED_BYTES)
        assert isinstance(room, memoryview)
        places.add(id(room.obj))
        del room
        assert pair.answer(bytes([number]) * SHARED_BYTES) == [bytes([number]) * SHARED_BYTES]
    assert len(places) == 1


class Halting:
    """A socket that takes five bytes at first."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._most: int | None = 5

    def sendmsg(self, buffers: list[memoryview], *rights: Any) -> int:
        most, self._most = self._most, None
        return self._sock.sendmsg([buffers[0][:most]] if most else buffers, *rights)

    def send(self, buffer: memoryview) -> int:
        return self._sock.send(buffer)


def test_the_descriptors_of_loans_are_not_taken_for_those_of_items(nothing_left: None) -> None:
    """The end of a loan may arrive together with an item in a new block of its own."""
    lender, borrowed, arena, reader = ResultBufferPool(), WorkerBuffers(), Arena(), FrameReader()
    writer, (ours, theirs) = FrameWriter(arena), socket.socketpair()
    with ours, theirs:
        lender.request(Frame(Kind.BUFFER_REQUEST, segments=[pack_numbers([SHARED_BYTES]), b""]))
        offer = lender.grant()
        assert offer is not None
        writer.push(*offer)
        view = arena.put(memoryview(b"a" * SHARED_BYTES))
        assert view is not None
        writer.push(Frame(Kind.BATCH, segments=[b"head", view]))
        writer.flush(cast("socket.socket", Halting(ours)))
        assert reader.read(theirs) == []
        loan, batch = reader.read(theirs)
        borrowed.receive(loan, reader.mappings.frame_descriptors)
        assert bytes(batch.segments[1]) == b"a" * SHARED_BYTES
        filled = borrowed.put(memoryview(b"b" * SHARED_BYTES))
        assert filled is not None
        assert bytes(batch.segments[1][:1]) == b"a"
        block = borrowed.block_of(filled)
        assert block is not None
        assert bytes(lender.view(block.number, SHARED_BYTES, new=False)) == b"b" * SHARED_BYTES
        del loan, batch, view, filled, block
        reader.mappings.close()
        for each in (lender, borrowed, arena):
            each.close()


def test_bytes_are_limited_but_one_block_may_be_of_any_size() -> None:
    fund = BufferQuota()
    assert fund.spend(200 * MIB)
    assert not fund.spend(1)
    fund.repay(200 * MIB)
    assert fund.spend(40 * MIB)
    assert not fund.spend(40 * MIB)
    assert fund.spend(24 * MIB)


def test_smaller_blocks_make_room_for_larger_ones_when_there_is_no_more(paired: Callable[..., Pair]) -> None:
    pair = paired()
    small, large = memoryview(bytes(MIB)), memoryview(bytes(60 * MIB))
    pair.answer(*[pair.borrowed.put(small) for _ in range(8)])
    assert pair.lend() == 8
    pair.answer(pair.borrowed.put(large))
    # Refused, and the worker hears of it.
    assert pair.lend() == 0
    pair.answer(pair.borrowed.put(large))
    assert pair.lend() == 1
    assert pair.is_shared(pair.borrowed.put(large))
    pair.borrowed.reclaim()
    # A small result takes what there is; nothing goes back and forth.
    view = pair.borrowed.put(small)
    assert pair.is_shared(view)
    assert pair.answer(view) == [bytes(MIB)]
    assert pair.lend() == 1


def test_too_little_memory_in_the_worker_gives_the_block_back(
    paired: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_up(*_: object) -> None:
        raise OSError("no space left")

    pair = paired()
    pair.answer(pair.borrowed.put(memoryview(b"a" * SHARED_BYTES)))
    with monkeypatch.context() as patched:
        patched.setattr("os.posix_fallocate", full_up)
        assert pair.lend() == 1
    assert pair.answer(b"small") == [b"small"]
    assert pair.lend() == 0
    assert pair.lender.quota.spend(200 * MIB)
    pair.lender.quota.repay(200 * MIB)
