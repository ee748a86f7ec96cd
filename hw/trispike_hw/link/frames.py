"""Layout of the frames between host and device; host and hardware pack and read them with these classes.

A frame is a header word, payload words and the CRC-32 of both (reflected, as in zlib), each 32 bits, least significant
byte first. On the line it stands COBS-encoded between zero bytes. docs/host-link.md is the contract.
"""

from amaranth.lib import data, enum

from ..layout import STREAM_BITS

LINK_VERSION = 2

#: Words of the largest frame that any device takes or sends, header and CRC included; of one whose memory is scarce.
FRAME_WORDS = 256
SHORT_FRAME_WORDS = 64

#: Words of a frame that are no payload: header and CRC.
FRAMING_WORDS = 2

WORD_BYTES = STREAM_BITS // 8


class Kind(enum.Enum, shape=4):
    """What a frame asks for; the reply has the kind of its request, or REFUSED."""

    HELLO = 1  #: begins a session; reply: LINK_VERSION, PAYLOAD_WORDS, words of the external memory, whether writable
    SEND = 2  #: words for the input stream; reply: how many were taken, all or (no room for all) none
    RECEIVE = 3  #: at most so many words of the output stream; reply: those that are there
    READ = 4  #: so many registers, from that word address on (two words); reply: their contents
    RESET = 5  #: resets the machine and forgets all words under way; reply: nothing
    STORE = 6  #: address in the external memory, words to put there; reply: nothing
    FETCH = 7  #: so many words of the external memory, from that address on (two words); reply: these words
    REFUSED = 15  #: reply to a kind that the device does not have, or without its arguments


class Header(data.Struct):
    """First word of a frame; a reply repeats session and sequence of its request."""

    sequence: 16  # one more (modulo) than in the last request of the session
    session: 12  # chosen by the host with HELLO, never 0
    kind: Kind


class FrameWord(data.Struct):
    """A word of a frame on its way inside the device; `last` marks the last one before the CRC."""

    data: STREAM_BITS
    last: 1
