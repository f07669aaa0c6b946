"""Several visitors in one process: AppTest alone gives every app the same session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.runtime.caching import clear_session_resource_cache
from streamlit.testing.v1 import app_test
from streamlit.testing.v1.local_script_runner import LocalScriptRunner


class Sessions:
    """Says in whose session the next script runs."""

    def __init__(self) -> None:
        self.now = "nobody"

    def of(self, visitor: str, act: Callable[[], object]) -> None:
        """Do something (run an app, click) as that visitor."""
        self.now = visitor
        try:
            act()
        finally:
            self.now = "nobody"

    def end(self, visitor: str) -> None:
        """What the server does when a visitor's connection ends."""
        clear_session_resource_cache(visitor)


def several_sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """From now on every script of AppTest runs in the session that `Sessions.of` names."""
    sessions = Sessions()

    class Runner(LocalScriptRunner):
        def __init__(self, *arguments, **named) -> None:
            super().__init__(*arguments, **named)
            self._session_id = sessions.now

    monkeypatch.setattr(app_test, "LocalScriptRunner", Runner)
    return sessions
