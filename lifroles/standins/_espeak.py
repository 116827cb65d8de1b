"""A process that speaks words with eSpeak NG: ``python _espeak.py LIBRARY DATA``. It needs the standard library only.

eSpeak NG keeps its state (the phase of its pitch's flutter, its gain, its random numbers) from word to word, and has
no call that resets it. So every word is spoken by a fork of a process that has spoken none: it depends on what is
asked for alone, not on the words before it, and a crash of the library takes one word with it.

Each line of the input is one word as JSON: ``{"text", "voice", "rate", "pitch", "range", "seed"}``. For each, in
order, come eight bytes of output (sample rate and number of samples, little-endian) and the samples, 16 bits each; a
word that cannot be spoken has rate 0.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from typing import Any

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: speak to the callback, return when done
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
_UTF8 = 1  # espeakCHARS_UTF8
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def _speak(library: ctypes.CDLL, word: dict[str, Any]) -> bytes:
    """Return the samples of one word; none if eSpeak NG refuses it."""
    parts: list[bytes] = []

    def collect(samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            parts.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    library.espeak_ng_SetRandSeed(ctypes.c_long(word["seed"]))
    if library.espeak_SetVoiceByName(word["voice"].encode()):
        return b""
    for parameter, value in ((_RATE, word["rate"]), (_PITCH, word["pitch"]), (_RANGE, word["range"])):
        library.espeak_SetParameter(parameter, value, 0)
    text = word["text"].encode()
    failed = library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None)
    return b"" if failed else b"".join(parts)


def _forked(library: ctypes.CDLL, word: dict[str, Any]) -> bytes:
    """Return what :func:`_speak` returns in a child process; nothing if that dies."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                pipe.write(_speak(library, word))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        samples = pipe.read()
    return samples if os.waitpid(child, 0)[1] == 0 else b""


def main(path: str, data: str) -> None:
    library = ctypes.CDLL(path)
    rate = library.espeak_Initialize(_SYNCHRONOUS, 2000, data.encode(), _DONT_EXIT)
    for line in sys.stdin:
        samples = _forked(library, json.loads(line)) if rate > 0 else b""
        sys.stdout.buffer.write(struct.pack("<II", rate if samples else 0, len(samples) // 2) + samples)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
