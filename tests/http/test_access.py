"""Who may ask: tokens, names, origins, rates, TLS, and how large and slow a request may be."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from wire import SYSTEM, TOP, Server

from llmfit.errors import LlmfitError
from llmfit.server.http.access import Tokens

TOKEN, OTHER = "a-token-of-some-length", "another-token-of-some-length"
ANSWERS = ["/", "/health", SYSTEM, TOP, "/docs", "/openapi.json", "/api/v1/hardware", "/nope", TOP + "?limit=x"]
Start = Callable[..., Server]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(server: Server, path: str = TOP, method: str = "GET", **headers: str) -> int:
    return server.fresh().get(path, {name.replace("_", "-"): value for name, value in headers.items()}, method).status


def refusal(*arguments: str) -> str:
    """What a server that does not start says: one line, exit status 1 or 2."""
    program = Path(sys.executable).with_name("llmfit")
    done = subprocess.run([program, "serve", "--port", "0", *arguments], capture_output=True, text=True, timeout=90)
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
    return done.stderr


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(TOKEN + "\n")
    return path


def test_comments_in_a_token_file(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"# who may ask, and since when\n#{OTHER}\n{TOKEN}\n")
    found = Tokens(str(tmp_path / "tokens"))
    assert found.takes(f"Bearer {TOKEN}")
    assert not found.takes(f"Bearer {OTHER}") and not found.takes(f"Bearer #{OTHER}")
    (tmp_path / "tokens").write_text(f"#{TOKEN}\n")
    with pytest.raises(LlmfitError, match="holds no token"):
        Tokens(str(tmp_path / "tokens"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "llmfit.example"])
def test_beyond_loopback_only_with_a_token(host: str) -> None:
    text = refusal("--host", host)
    assert host in text and "--token-file" in text and "--insecure" in text


def test_insecure_says_otherwise(start_server: Start) -> None:
    own = start_server("--host", "0.0.0.0", "--insecure")
    assert status(own) == 200
    assert status(own, Host="192.0.2.7:80") == 200, "an address is no rebound name"
    assert status(own, Host=socket.gethostname()) == 200
    assert status(own, Host="evil.example") == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_token_is_wanted(start_server: Start, tokens: Path, host: str) -> None:
    own = start_server("--host", host, "--token-file", str(tokens))
    for path in ("/", SYSTEM, TOP, "/docs", "/api/v1/events", "/nope", "/static/x/y"):
        answer = own.get(path)
        assert answer.status == 401, f"{path}: {answer.status}"
        assert "Bearer" in answer.headers["www-authenticate"] and "Bearer TOKEN" in answer.error()
    for path in ("/health", "/healthz", "/readyz"):
        assert own.get(path).status == 200, path
    wrong = ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper()]
    assert [status(own, **bearer(token)) for token in wrong] == [401] * len(wrong)
    assert status(own, Authorization=TOKEN) == status(own, Authorization="Bearer") == 401
    assert status(own, Authorization="Basic !!") == 401
    assert status(own, **bearer(TOKEN)) == 200
    assert status(own, Authorization=f"bearer   {TOKEN} ") == 200
    password = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    assert status(own, "/", Authorization=f"Basic {password}") == 200, "what a browser sends after its dialog"
    assert own.get("/api/v1/plan", method="POST", body=b"{}" * 1000).status == 401
    assert TOKEN not in own.said()


def test_a_changed_token_file_is_read_again(start_server: Start, tokens: Path) -> None:
    own = start_server("--token-file", str(tokens))
    tokens.write_text(f"{TOKEN}\n\n{OTHER}\n")
    assert eventually(lambda: status(own, **bearer(OTHER)) == 200)
    assert status(own, **bearer(TOKEN)) == 200
    tokens.write_text("short\n")  # broken: the tokens before stay
    time.sleep(1.2)
    assert status(own, **bearer(OTHER)) == 200
    assert eventually(lambda: "use at least 16" in own.said())
    tokens.unlink()
    assert status(own, **bearer(OTHER)) == 200
    tokens.write_text(OTHER)
    assert eventually(lambda: status(own, **bearer(TOKEN)) == 401)
    assert status(own, **bearer(OTHER)) == 200


@pytest.mark.parametrize("text", ["", "\n\n", "short", "with spaces in the token", "x" * 70_000, "tökenökenökenöken"])
def test_token_files_that_are_no_good(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    assert str(path) in refusal("--token-file", str(path))
    assert "cannot read the token file" in refusal("--token-file", str(tmp_path))
    assert "No such file" in refusal("--token-file", str(tmp_path / "none"))


def test_a_unix_socket_needs_no_token(start_server: Start, tokens: Path, tmp_path: Path) -> None:
    path = tmp_path / "llmfit.sock"
    own = start_server("--unix-socket", str(path), "--token-file", str(tokens), "--rate-limit", "0.001:1")
    assert [status(own) for _ in range(4)] == [200] * 4


def test_hosts_that_are_named(start_server: Start) -> None:
    own = start_server("--allow-host", "Fit.example", "--allow-host", "other.example")
    for host in ("fit.example", f"fit.example:{own.port}", "FIT.EXAMPLE", "other.example", "localhost"):
        assert status(own, Host=host) == 200, host
    for host in ("evil.example", "x.fit.example", "fit.example.evil.example", "192.0.2.1", ""):
        assert status(own, Host=host) == 403, host
    assert "fit.example" in own.get(TOP, {"Host": "evil.example"}).error()


def test_named_hosts_beyond_loopback(start_server: Start, tokens: Path) -> None:
    own = start_server("--host", "0.0.0.0", "--token-file", str(tokens), "--allow-host", "fit.example")
    assert status(own, Host="fit.example", **bearer(TOKEN)) == 200
    assert status(own, Host="192.0.2.1:8787", **bearer(TOKEN)) == 200
    assert status(own, Host="evil.example", **bearer(TOKEN)) == 403


@pytest.mark.parametrize(
    "flag",
    [("--allow-host", "http://x"), ("--allow-host", ""), ("--allow-host", "x:80"), ("--cors-origin", "*"),
     ("--cors-origin", "null"), ("--cors-origin", "example.org"), ("--cors-origin", "https://x/path"),
     ("--rate-limit", "0"), ("--rate-limit", "x"), ("--rate-limit", "5:0"), ("--rate-limit", "-1"),
     ("--tls-cert", "only.pem"), ("--tls-key", "only.pem")],
)  # fmt: skip
def test_bad_flags(flag: tuple[str, str]) -> None:
    name = "tls_cert" if flag[0] == "--tls-key" else flag[0][2:].replace("-", "_")
    assert f"invalid {name} value: use " in refusal(*flag)


def test_no_other_site_reads_answers(server: Server) -> None:
    answer = server.get(TOP, {"Origin": "https://page.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    assert server.get(TOP, asked, "OPTIONS").status == 405


@pytest.mark.parametrize("path", [TOP, "/api/v1/models?fields=name", "/nope", TOP + "?limit=x", "/", "/api/v1/events"])
def test_a_named_site_does(start_server: Start, path: str) -> None:
    own = start_server("--cors-origin", "https://page.example/", "--cors-origin", "http://localhost:3000")
    head = own.get(path, {"Origin": "https://page.example"}, "HEAD").headers
    assert head["access-control-allow-origin"] == "https://page.example" and "Origin" in head["vary"]
    assert "access-control-allow-credentials" not in head
    for origin in ("https://evil.example", "http://page.example", "https://page.example:444", "null"):
        head = own.get(path, {"Origin": origin}, "HEAD").headers
        assert "access-control-allow-origin" not in head, origin
    assert "access-control-allow-origin" not in own.get(path, method="HEAD").headers


def test_preflight_comes_before_the_token(start_server: Start, tokens: Path) -> None:
    own = start_server("--cors-origin", "https://page.example", "--token-file", str(tokens))
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    answer = own.get("/api/v1/plan", asked, "OPTIONS")
    assert answer.status == 204 and "Authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert own.get("/api/v1/plan", {**asked, "Origin": "https://evil.example"}, "OPTIONS").status == 403
    refused = own.get(TOP, {"Origin": "https://page.example"})
    assert refused.status == 401 and refused.headers["access-control-allow-origin"] == "https://page.example"


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_client_that_asks_too_often(start_server: Start, workers: str) -> None:
    own = start_server("--rate-limit", "2:10", "--workers", workers, "--allow-host", "x")
    begun = time.monotonic()
    answers = [own.fresh().get(TOP) for _ in range(30)]
    ended = time.monotonic()
    passed = sum(answer.status == 200 for answer in answers)
    assert 10 <= passed <= 11 + 2 * (ended - begun), [answer.status for answer in answers]
    refused = next(answer for answer in reversed(answers) if answer.status != 200)
    assert refused.status == 429 and refused.headers["retry-after"] == "1" and "rate" in refused.error()
    assert [status(own, path) for path in ("/health", "/readyz")] == [200, 200], "health is not limited"
    if own.host == "127.0.0.1":  # another address of the loopback is another client
        with socket.create_connection(("127.0.0.1", own.port), source_address=("127.0.0.9", 0)) as plug:
            plug.sendall(f"GET {TOP} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert plug.recv(12) == b"HTTP/1.1 200"
    time.sleep(max(0.0, ended + 1.1 - time.monotonic()))
    assert status(own) == 200, "after a second there is room again"


def test_many_clients_take_no_more_memory() -> None:
    from llmfit.server.http.access import SLOTS, RateLimit

    rates = RateLimit(1, 2)
    for at in range(3 * SLOTS):
        assert rates.wait(f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}", 100.0) == 0
    assert rates._clients.nbytes + rates._full.nbytes == SLOTS * 16
    networks = [rates.wait(f"2001:db8::{at:x}", 200.0) for at in range(3)]
    assert networks[:2] == [0, 0] and networks[2] == pytest.approx(1), "one network of 64 bits is one client"
    assert rates.wait("2001:db8:0:1::1", 200.0) == 0
    assert rates.wait("192.0.2.1", 300.0) == rates.wait("::ffff:192.0.2.1", 300.0) == 0
    assert rates.wait("192.0.2.1", 300.0) == pytest.approx(1), "the same client over IPv6"
    assert rates.wait("192.0.2.1", 301.0) == 0 and rates.wait("192.0.2.1", 301.0) == pytest.approx(1)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path) -> tuple[str, str]:
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    return str(folder / "cert.pem"), str(folder / "key.pem")


PROXY = ("--trust-proxy", "127.0.0.1", "--trust-proxy", "10.0.0.0/8", "--rate-limit", "0.001:1")


def test_rates_are_of_the_client_behind_a_trusted_proxy(start_server: Start) -> None:
    own = start_server(*PROXY, "--access-log", "--log-format", "json")

    def asked(*said: str) -> int:
        header = "".join(f"X-Forwarded-For: {each}\r\n" for each in said)
        answer = own.raw(f"GET {TOP} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n".encode())
        return int(answer.split()[1])

    assert [asked("192.0.2.1"), asked("192.0.2.1"), asked("192.0.2.2"), asked("192.0.2.2")] == [200, 429, 200, 429]
    assert asked("6.6.6.6, 192.0.2.2") == 429, "what a client writes itself changes nothing"
    assert asked("6.6.6.6", "192.0.2.2, 10.1.2.3") == 429, "two proxies in a row, two headers"
    assert asked("[2001:db8::7]:4711") == 200 and asked("2001:db8::8") == 429, "one network"
    assert '"client":"192.0.2.2"' in own.said() and '"client":"2001:db8::7"' in own.said()
    assert asked("nonsense") == 200 and asked("<x>, , ") == 429, "then it is the proxy itself"


def test_nobody_elses_header_is_believed(start_server: Start) -> None:
    for flags in (("--rate-limit", "0.001:1"), ("--rate-limit", "0.001:1", "--trust-proxy", "192.0.2.9")):
        own = start_server(*flags)
        assert status(own, X_Forwarded_For="192.0.2.1") == 200 and status(own, X_Forwarded_For="192.0.2.2") == 429


def test_rates_behind_a_proxy_on_a_unix_socket(start_server: Start, tmp_path: Path) -> None:
    own = start_server("--unix-socket", str(tmp_path / "s"), "--trust-proxy", "unix", "--rate-limit", "0.001:1")
    answers = [status(own, X_Forwarded_For=f"192.0.2.{at}") for at in (1, 1, 2)]
    assert answers == [200, 429, 200]


@pytest.mark.parametrize("value", ["", "localhost", "10.0.0.1/8", "300.0.0.1", "*"])
def test_proxies_that_are_none(value: str) -> None:
    assert "invalid trust_proxy value: use an address, a network such as 10.0.0.0/8, or unix" in refusal(
        "--trust-proxy", value
    )


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls(start_server: Start, authority: trustme.CA, tmp_path: Path, tokens: Path) -> None:
    certificate, key = issue(authority, tmp_path)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    own = start_server("--tls-cert", certificate, "--tls-key", key, "--token-file", str(tokens), tls=context)
    answer = own.get("/api/v1/models", bearer(TOKEN))
    assert answer.status == 200 and answer.json()["returned_models"] > 1000
    assert "https://127.0.0.1" in own.said()
    with pytest.raises(ssl.SSLCertVerificationError):
        http.client.HTTPSConnection("127.0.0.1", own.port, timeout=5).request("GET", "/health")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert own.fresh().get("/health").status == 200
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        http.client.HTTPSConnection("127.0.0.1", own.port, timeout=5, context=old).request("GET", "/health")
    with own.plug() as plug:  # plain HTTP gets nothing
        plug.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(OSError):
            assert not plug.recv(100).startswith(b"HTTP/1.1 200")
            raise OSError


def test_certificates_that_are_no_good(authority: trustme.CA, tmp_path: Path) -> None:
    certificate, key = issue(authority, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, foreign = issue(authority, other)
    for pair in ((certificate, foreign), (key, certificate), (certificate, str(tmp_path / "none")), (certificate, "/")):
        text = refusal("--tls-cert", pair[0], "--tls-key", pair[1])
        assert "cannot use the TLS certificate" in text and "Errno" not in text, text
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-passout", "pass:word", "-in", key, "-out", str(locked)], capture_output=True
    )
    if locked.exists():
        assert "cannot use the TLS certificate" in refusal("--tls-cert", certificate, "--tls-key", str(locked))


@pytest.mark.parametrize("path", ANSWERS)
def test_headers_of_every_answer(server: Server, path: str) -> None:
    headers = server.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src *" not in headers["content-security-policy"]
    assert "server" not in headers, "no version of anything is told"


def test_headers_of_refusals(server: Server) -> None:
    for data in (b"NONSENSE\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"):
        assert b"x-content-type-options: nosniff" in server.raw(data).lower(), data


def test_sizes(server: Server) -> None:
    said = {
        f"{TOP}?search={'a' * 9000}": (414, "8192"),
        f"{TOP}?search={'a' * 20_000}": (431, "16384"),
    }
    for path, (wanted, limit) in said.items():
        answer = server.fresh().get(path)
        assert answer.status == wanted and limit in answer.error(), (len(path), answer.status)
    answer = server.fresh().get("/health", {f"X-{at}": "y" * 1000 for at in range(20)})
    assert answer.status == 431 and "16384" in answer.error()
    head = "POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    answered = server.raw(f"{head}Content-Length: 1048577\r\n\r\n".encode() + b" " * 1000)
    assert answered.startswith(b"HTTP/1.1 413") and b"1048576" in answered
    chunked = server.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"100001\r\n" + b" " * 1000)
    assert chunked.startswith(b"HTTP/1.1 413")


SLOW = [
    b"GET /health HTTP/1.1\r\nX-Slow: ",
    b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
]


@pytest.fixture(scope="module")
def cut_off(server: Server) -> Iterator[Callable[[], dict[int, tuple[float, bytes]]]]:
    """Seconds until each slow request was cut off, and what it was told: waited for beside the other tests."""
    plugs = [(server.plug(), beginning, at == 0) for at in range(2) for beginning in SLOW]
    begun, ended = time.monotonic(), {}

    def wait() -> None:
        while len(ended) < len(plugs) and time.monotonic() < begun + 60:
            time.sleep(0.5)
            for at, (plug, _, trickles) in enumerate(plugs):
                if at in ended:
                    continue
                try:
                    if trickles:
                        plug.send(b"a")
                    data = plug.recv(1000)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                ended[at] = (time.monotonic() - begun, data)

    for plug, beginning, _ in plugs:
        plug.sendall(beginning)
        plug.setblocking(False)
    waiter = threading.Thread(target=wait)
    waiter.start()
    yield lambda: (waiter.join(), ended)[1]
    waiter.join()
    for plug, _, _ in plugs:
        plug.close()


@pytest.fixture(scope="module", autouse=True)
def begun_early(request: pytest.FixtureRequest) -> None:
    """Before the first test of this file, if it is among them."""
    if any(item.name == "test_slow_requests_are_cut_off" for item in request.session.items):
        request.getfixturevalue("cut_off")


def test_slow_requests_are_cut_off(server: Server, cut_off: Callable[[], dict[int, tuple[float, bytes]]]) -> None:
    """A byte a second would hold a connection for ever: the whole request has 15 seconds, silence 10.

    When is held by tests/server/test_slow.py, by a clock that runs evenly: here everybody is, and nobody before.
    """
    ended = cut_off()
    assert len(ended) == 2 * len(SLOW), f"after 60 s only {ended} were cut off"
    for at, (after, data) in ended.items():
        assert after > (14 if at < len(SLOW) else 9), (at, after)
        assert data.startswith(b"HTTP/1.1 408") or (at >= 2 and data.startswith(b"HTTP/1.1 503")), (at, data[:80])
    assert server.get("/health").status == 200


def test_a_flood_of_connections_is_bounded(start_server: Start) -> None:
    """A worker holds as many connections as it has descriptors for, and answers again when they are gone."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        own = start_server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    plugs = [own.plug() for _ in range(300)]
    for plug in plugs:
        plug.setblocking(False)

    def is_closed(plug: socket.socket) -> bool:
        try:
            return plug.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    assert eventually(lambda: sum(map(is_closed, plugs)) >= 300 - (256 - 60))
    closed = sum(map(is_closed, plugs))
    assert closed < 200, closed
    for plug in plugs:
        plug.close()
    assert eventually(lambda: status(own) == 200)
    assert own.process is not None
    descriptors = f"/proc/{own.process.pid}/fd"
    assert eventually(lambda: len(os.listdir(descriptors)) < 100)
