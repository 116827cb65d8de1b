"""The inner ear, against its equations written out one step and one number at a time, lauscher and real speech."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

from lifroles.errors import DataError
from lifroles.standins import cochlea
from lifroles.standins.cochlea import hear, spikes, transfer

RATE = 48_000


def tone(frequency: float, seconds: float = 0.1, rate: int = RATE) -> np.ndarray[Any, Any]:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def chirp(seconds: float = 0.1) -> np.ndarray[Any, Any]:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (150 * t + (4000 - 150) / (2 * seconds) * t**2))


@pytest.fixture(scope="module")
def speech_samples(real_data: Path, require: Callable[..., None]) -> Path:
    folder = real_data / "hd_audio_samples"
    require(folder.is_dir(), f"{real_data} holds no hd_audio_samples", "data")
    return folder


# --- basilar membrane


@pytest.mark.parametrize("place", [0.0, 0.4, 1.3, 2.5, 3.5])
def test_the_transfer_function_is_the_published_one_with_its_integral_taken_by_numbers(place):
    c0, a, alpha, rho, h, m = 1e9, 3500.0, 3.0, 1.0, 0.1, 0.05
    r0 = 0.15 * math.sqrt(c0 * m)
    for frequency in (60.0, 700.0, 5000.0, 15000.0):
        omega = 2 * math.pi * frequency

        def xi(c, omega=omega):
            return c0 * np.exp(-alpha * c) - a - m * omega**2 - 1j * omega * r0 * np.exp(-alpha * c / 2)

        def g(c, omega=omega, xi=xi):
            return omega * np.sqrt(rho / (h * xi(c)))

        total = integrate.quad(g, 0, place, complex_func=True, limit=500, epsabs=1e-11, epsrel=1e-11)[0]

        def pressure(c, phase, g=g):
            return np.sqrt(phase / g(c)) * special.hankel1(0, phase)

        x = 2 * omega / alpha * math.sqrt(2 / (h * c0))
        entrance = math.sqrt(2 * c0 / h) * (1j * special.hankel1(0, x).conjugate() / special.hankel1(1, x).conjugate())
        start = 2 * g(0.0) / alpha
        velocity = 2 * omega / xi(place) * pressure(place, start + total) / pressure(0.0, start) * entrance
        # Z = (i J0 + Y0) / (J1 - i Y1) = i conj(H0) / conj(H1)
        assert transfer(np.array([frequency]), place)[0] == pytest.approx(velocity, rel=1e-6)


def test_channels_run_from_high_tones_at_the_base_to_low_tones_at_the_apex():
    frequency = np.geomspace(50, 24_000, 2000)
    best = [frequency[np.abs(transfer(frequency, place)).argmax()] for place in cochlea.places(8)]
    assert all(high > low for high, low in pairwise(best))
    assert best[0] == pytest.approx(22_500, rel=0.01) and best[-1] == pytest.approx(100, rel=0.02)


def by_definition(audio: np.ndarray[Any, Any], rate: int, channel: int, channels: int) -> np.ndarray[Any, Any]:
    """lauscher's membrane: the positive half of the spectrum, filtered, back in time, real part."""
    sound = cochlea.prepared(audio)
    steps = len(sound) // 2 + 1
    filtered = transfer(np.linspace(1, rate // 2, steps), np.linspace(0, 3.5, channels)[channel])
    return np.fft.ifft(filtered * np.fft.fft(sound)[:steps]).real


@pytest.mark.parametrize("samples", [4800, 4801, 4802])
def test_the_membrane_moves_as_its_definition_says(samples):
    audio = np.random.default_rng(0).standard_normal(samples) + 3 * chirp(0.2)[:samples]
    heard = hear(audio, RATE, channels=70, keep=True, padded=False)
    assert heard.membrane is not None and heard.membrane.shape == (70, samples // 2 + 1)
    for channel in (0, 1, 20, 45, 69):
        wanted = by_definition(audio, RATE, channel, 70)
        assert np.abs(heard.membrane[channel] - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_zeros_at_the_end_change_next_to_nothing():
    audio = chirp()
    exact, padded = (hear(audio, RATE, channels=70, keep=True, padded=p) for p in (False, True))
    assert exact.release is not None and padded.release is not None and exact.release.shape == padded.release.shape
    # The longer FFT shifts the end by a fraction of a step, so that fine structure differs and the envelope does not.
    envelope = [one[:, :2400].reshape(70, 20, 120).mean(2) for one in (exact.release, padded.release)]
    assert np.abs(envelope[0] - envelope[1]).max() < 0.03 * envelope[0].max()


# --- hair cell


def released(velocity: np.ndarray[Any, Any], fs: int) -> np.ndarray[Any, Any]:
    """Meddis' hair cell, one step after the other."""
    y, g, l, r, x, a, b, h = 5.05, 2000.0, 2500.0, 6580.0, 66.3, 5.0, 300.0, 50_000.0  # noqa: E741
    dt = 1 / fs
    k = g * a / (a + b)
    c = y * k / (l * k + y * (l + r))
    q, w = c * (l + r) / k, c * r / x
    p = np.empty(len(velocity))
    for t, v in enumerate(velocity):
        k = g * dt * (v + a) / (v + a + b) if v + a > 0 else 0.0
        made = y * dt * (1 - q) if q < 1 else 0.0
        out, back, again = k * q, r * dt * c, x * dt * w
        q, c, w = max(q + made - out + again, 0), max(c + out - (l + r) * dt * c, 0), max(w + back - again, 0)
        p[t] = c * h * dt
    return p


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_hair_cells_release_as_their_equations_say(rate):
    heard = hear(tone(440, 0.08, rate) + tone(1700, 0.08, rate), rate, channels=40, keep=True)
    assert heard.membrane is not None and heard.release is not None
    for channel in (0, 15, 25, 33, 39):
        wanted = released(heard.membrane[channel].astype(np.float64), rate // 2)
        assert np.abs(heard.release[channel] - wanted).max() < 1e-4 * wanted.max()


# --- bushy cell


def bushy(p: np.ndarray[Any, Any], fs: int, rng: np.random.Generator) -> int:
    """The number of spikes of one bushy cell, one number drawn for every site and step, as in lauscher."""
    dt, pause = 1 / fs, 1e-3 * fs
    last = np.full(40, -np.inf)
    v, current, refractory, count = 0.0, 0.0, 0.0, 0
    for t, chance in enumerate(p):
        fires = (rng.random(40) < chance) & (t - last >= pause)
        last[fires] = t
        if t > 0 and refractory <= 0:
            if v < 1:
                v *= math.exp(-dt / 1e-3)
            else:
                refractory, v, count = pause, 0.0, count + 1
        current = current * math.exp(-dt / 5e-4) + fires.sum()
        if refractory <= 0:
            v += current * 13e3 / 40 * dt
        v = min(v, 1.0)
        refractory -= 1
    return count


@pytest.mark.parametrize(("rate", "clicks"), [(48_000, False), (16_000, False), (16_000, True)])
def test_bushy_cells_fire_as_often_as_if_every_site_were_drawn_at_every_step(rate, clicks, monkeypatch):
    audio = tone(300, 0.08, rate) + tone(900, 0.08, rate)
    if clicks:
        # Loud clicks, at which a site's probability exceeds what the fast logarithm is exact for.
        monkeypatch.setattr(cochlea, "_LEVEL", 100.0)
        audio = np.zeros(len(audio))
        audio[100::200] = 1
    heard = hear(audio, rate, channels=12, keep=True)
    assert heard.release is not None
    assert (heard.release.max() > 0.4) == clicks
    fast = np.array([np.bincount(spikes(audio, rate, channels=12, seed=s)[1], minlength=12) for s in range(200)])
    rng = np.random.default_rng(1)
    slow = np.array([[bushy(p, rate // 2, rng) for p in heard.release] for _ in range(6)])
    spread = np.sqrt(fast.var(0) / 200 + fast.var(0) / 6 + 0.02)
    z = (slow.mean(0) - fast.mean(0)) / spread
    assert fast.mean(0).max() > 4 and np.abs(z).max() < 4
    total = (slow.sum(1).mean() - fast.sum(1).mean()) / (fast.sum(1).std() * math.sqrt(1 / 6 + 1 / 200))
    assert abs(total) < 4


def test_silence_gives_spontaneous_spikes_only():
    times, units = spikes(np.zeros(RATE), RATE)
    # 700 channels, about half a spike a second each
    assert 100 < len(times) < 1000 and len(np.unique(units)) > 100
    assert times.max() < 1.0


def test_a_tone_is_heard_where_it_belongs():
    frequency = np.geomspace(50, 24_000, 2000)
    for f in (300.0, 1500.0):
        _, units = spikes(tone(f, 0.3), RATE)
        centre = np.bincount(units, minlength=700).argmax()
        best = frequency[np.abs(transfer(frequency, cochlea.places(700)[centre])).argmax()]
        assert best == pytest.approx(f, rel=0.5)


# --- what callers rely on


def test_one_seed_gives_the_same_spikes_in_order_of_time_and_another_gives_others():
    audio = chirp()
    first, again, other = (spikes(audio, RATE, seed=s) for s in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    times, units = first
    assert times.dtype == np.float32 and units.dtype == np.int64
    assert (np.diff(times) >= 0).all() and times.max() <= 0.1 and units.min() >= 0 and units.max() < 700


def test_threads_do_not_disturb_each_other():
    audios = [tone(f) for f in (200, 500, 900, 2000)]
    alone = [spikes(a, RATE, channels=100) for a in audios]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda a: spikes(a, RATE, channels=100), audios))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(alone, together, strict=True))


def test_loudness_does_not_matter_and_the_audio_is_left_as_it_was():
    audio = chirp()
    before = audio.copy()
    quiet, loud = (spikes(audio * k, RATE, channels=64) for k in (0.25, 16.0))
    assert np.array_equal(quiet[0], loud[0]) and np.array_equal(audio, before)


@pytest.mark.parametrize(
    ("audio", "rate", "words"),
    [
        (np.zeros(0), RATE, "two samples or more"),
        (np.zeros((100, 2)), RATE, "one dimension"),
        (np.array([0.0, np.nan, 1.0]), RATE, "no finite numbers"),
        (np.ones(100), 8000, "resample it to 16000 or more"),
        (np.ones(500_000), RATE, "lasts 10 s: cut it into words"),
    ],
)
def test_audio_that_cannot_be_heard_is_refused_in_a_sentence(audio, rate, words):
    with pytest.raises(DataError, match=words):
        spikes(audio, rate)


def test_there_is_a_channel_at_least():
    with pytest.raises(DataError, match="channels is 0"):
        spikes(np.ones(100), RATE, channels=0)


# --- real speech


def test_a_real_word_gives_lauschers_own_spikes_within_their_spread(speech_samples):
    soundfile = pytest.importorskip("soundfile")
    stem = speech_samples / "lang-english_speaker-00_trial-0_digit-0"
    audio, rate = soundfile.read(f"{stem}.flac")
    with np.load(f"{stem}.lauscher.npz") as published:
        theirs_t, theirs_u = published["arr_0"]
    ours = [spikes(audio, rate, seed=s) for s in range(12)]

    def counts(t, u):
        return np.histogram2d(t, u, bins=(8, 14), range=((0, 0.8), (0, 700)))[0]

    each = np.array([counts(*one) for one in ours])
    total = each.sum((1, 2))
    assert abs(theirs_t.size - total.mean()) < 4 * total.std()
    z = (counts(theirs_t, theirs_u) - each.mean(0)) / np.sqrt(each.var(0, ddof=1) + 1)
    assert np.abs(z).max() < 5 and 0.5 < z.std() < 1.5


def test_real_words_have_as_many_spikes_as_their_speaker_has_in_the_regenerated_set(speech_samples, real_data):
    soundfile, h5py = pytest.importorskip("soundfile"), pytest.importorskip("h5py")
    file: Any
    with h5py.File(real_data / "SHD" / "shd_test.h5") as file:
        labels, speakers = file["labels"][:], file["extra/speaker"][:]
        sizes = np.array([len(t) for t in file["spikes/times"]])
    for language, digit in (("english", 3), ("english", 7), ("german", 0), ("german", 9)):
        audio, rate = soundfile.read(speech_samples / f"lang-{language}_speaker-04_trial-0_digit-{digit}.flac")
        same = sizes[(labels == digit + (10 if language == "german" else 0)) & (speakers == 4)]
        assert len(same) > 20
        assert same.min() * 0.97 <= len(spikes(audio, rate)[0]) <= same.max() * 1.03
