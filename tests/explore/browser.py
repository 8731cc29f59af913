"""Chromium without a window, driven over its DevTools pipe: what a browser test needs and no more."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    """One page; messages are JSON that ends in a null byte, in on file 3 and out on file 4."""

    def __init__(self, into: IO[bytes], out: IO[bytes]) -> None:
        self._into, self._out = into, out
        self._number, self._session = 0, None
        self.complaints: list[str] = []
        """Errors of the page's scripts, and what its policy has blocked."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self._call("Performance.enable", timeDomain="threadTicks")

    def open(self, address: str) -> None:
        """Go there and wait until it is loaded."""
        self._loaded = False
        self._call("Page.navigate", url=address)
        while not self._loaded:
            self._message()

    def run(self, script: str) -> Any:
        """The value of an expression there, awaited."""
        reply = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def milliseconds(self, change: str) -> float:
        """Work of the page's thread until a change is made and laid out: what it takes with the machine to itself."""

        def worked() -> float:
            metrics = self._call("Performance.getMetrics")["metrics"]
            return 1e3 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")

        before = worked()
        self.run(f"{change}; document.body.offsetHeight; new Promise(done => setTimeout(done, 30))")
        return worked() - before

    def wait(self, condition: str) -> None:
        """Until an expression is true there; a minute at most, as the machine may be busy."""
        poll = (
            f"new Promise((yes, no) => {{ const look = left => ({condition}) ? yes() : "
            f"left ? setTimeout(look, 50, left - 1) : no(new Error('waited in vain')); look(1200); }})"
        )
        self.run(poll)

    def look(self, file: Path, *, width: int = 1280, dark: bool = False) -> None:
        """A picture of the whole page."""
        self._call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.run("new Promise(done => setTimeout(done, 300))")
        picture = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(picture["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            question["sessionId"] = self._session
        self._into.write(json.dumps(question).encode() + b"\0")
        while (message := self._message()).get("id") != self._number:
            pass
        assert "error" not in message, message["error"]
        reply: dict[str, Any] = message["result"]
        return reply

    def _message(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._out.read(1)) != b"\0":
            assert byte, "the browser has ended"
            data += byte
        message: dict[str, Any] = json.loads(data)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.complaints.append(str(message["params"]["entry"]))
        return message


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A tab of a browser that is begun and ended here."""
    assert CHROMIUM is not None
    (child_in, into), (out, child_out) = os.pipe(), os.pipe()
    # The browser wants the two as files 3 and 4; a shell puts them there.
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}")
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{child_in} 4>&{child_out}', "bash", CHROMIUM, *options],
        pass_fds=(child_in, child_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(child_in)
    os.close(child_out)
    with os.fdopen(into, "wb", buffering=0) as commands, os.fdopen(out, "rb") as replies:
        try:
            yield Tab(commands, replies)
        finally:
            process.terminate()
            process.wait(timeout=20)
