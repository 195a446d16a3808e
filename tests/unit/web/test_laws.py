"""What holds for every cookie, every token, and every sequence of failed sign-ins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web.page_client import SECRET, USERS, Clock
from zvirka.settings.service_tables import UserSettings
from zvirka.web.sign_in_limits import WINDOW, SignInLimits
from zvirka.web.user_sessions import UserSessions
from zvirka.web.users import Users

CLOCK = Clock()
KNOWN = Users([UserSettings.model_validate(user) for user in USERS])
SESSIONS = UserSessions(SECRET, KNOWN, timedelta(hours=8), CLOCK)
STRANGERS = UserSessions("t" * 40, KNOWN, timedelta(hours=8), CLOCK)


@given(st.text(max_size=300))
def test_no_text_is_a_cookie_or_a_token_but_our_own(text: str) -> None:
    session = SESSIONS.begin(KNOWN.get("olena"))
    assert SESSIONS.read(text) is None
    assert not SESSIONS.good(session, text)


@given(st.integers(min_value=0), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_changed_character_spoils_a_cookie(place: int, other: str) -> None:
    cookie = SESSIONS.cookie(SESSIONS.begin(KNOWN.get("taras")))
    # The last character of base64 has bits that mean nothing.
    place %= len(cookie) - 1
    changed = cookie[:place] + other + cookie[place + 1 :]
    read = SESSIONS.read(changed)
    assert read is None or changed == cookie


@given(st.sampled_from(["olena", "taras", None]))
def test_a_cookie_gives_back_its_session_and_nobody_elses_secret_does(name: str | None) -> None:
    session = SESSIONS.begin(KNOWN.get(name) if name else None)
    assert SESSIONS.read(SESSIONS.cookie(session)) == session
    assert SESSIONS.good(session, SESSIONS.token(session))
    assert STRANGERS.read(SESSIONS.cookie(session)) is None
    assert not SESSIONS.good(session, STRANGERS.token(session))
    assert not SESSIONS.good(SESSIONS.begin(), SESSIONS.token(session))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "odd"]),
            st.integers(min_value=0, max_value=400),
        ),
        max_size=80,
    )
)
def test_no_window_sees_more_than_the_limit_of_a_name_from_an_address(
    tried: list[tuple[str, str, int]],
) -> None:
    moment = datetime(2026, 11, 25, tzinfo=UTC)
    attempts = SignInLimits(lambda: moment)
    allowed: list[tuple[str, str, datetime]] = []
    for name, address, seconds in tried:
        moment += timedelta(seconds=seconds)
        if attempts.allow(name, address):
            # Two addresses of one IPv6 network are one subscriber.
            allowed.append((name, "v6" if ":" in address else address, moment))
        recent = [one for one in allowed if one[2] > moment - WINDOW]
        for who, where in {(one[0], one[1]) for one in recent}:
            assert sum(one[:2] == (who, where) for one in recent) <= 5
        for where in {one[1] for one in recent}:
            assert sum(one[1] == where for one in recent) <= 20
