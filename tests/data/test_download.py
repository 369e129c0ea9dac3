"""Downloads from a real server on this machine."""

import hashlib
import http.server
import os
import signal
import socket
import threading
import time

import pytest

from keras_tx.data.download import DATASETS, DownloadError, download

BODY = b"Go.\tVa !\n" * 20_000
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()
MD5 = "md5:" + hashlib.md5(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        page = self.path.rpartition("/")[2]
        if page == "missing.zip":
            self.send_error(404)
        elif page == "moved.zip":
            self.send_response(302)
            self.send_header("Location", "/good.zip")
            self.end_headers()
        elif page == "to_ftp.zip":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/good.zip")
            self.end_headers()
        elif page == "silent.zip":
            self.server.release.wait(10)
        elif page == "stalled.zip":
            self.send_body(BODY[:1000], len(BODY))
            self.wfile.flush()
            self.server.release.wait(10)
        elif page == "truncated.zip":
            self.send_body(BODY[:1000], len(BODY))
        elif page == "corrupt.zip":
            self.send_body(BODY[:-1] + b"?", len(BODY))
        elif page == "unannounced.zip":
            self.send_body(BODY, None)
        else:
            self.send_body(BODY, len(BODY))

    def send_body(self, body, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    # A proxy set in the environment must not stand between the test and its server.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.release = [], threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("page", ["good.zip", "unannounced.zip", "moved.zip"])
@pytest.mark.parametrize("checksum", [SHA256, MD5, SHA256.upper().replace("SHA256", "sha256")])
def test_a_good_file_comes_whole(server, tmp_path, capsys, page, checksum):
    cache = tmp_path / "new" / "cache"
    path = download("own", cache, f"{server.address}/{page}", checksum)
    assert path == cache / page
    assert path.read_bytes() == BODY
    assert names(cache) == [page]
    output = capsys.readouterr()
    assert output.out == "" and page in output.err


def test_a_cached_file_is_used_again(server, tmp_path):
    first = download("own", tmp_path, f"{server.address}/good.zip", SHA256)
    assert download("own", tmp_path, f"{server.address}/good.zip", SHA256) == first
    assert server.requests == ["/good.zip"]


def test_a_damaged_cached_file_is_fetched_again(server, tmp_path):
    (tmp_path / "good.zip").write_bytes(b"damaged")
    path = download("own", tmp_path, f"{server.address}/good.zip", SHA256)
    assert path.read_bytes() == BODY


def test_a_cached_file_needs_no_network(tmp_path):
    (tmp_path / "good.zip").write_bytes(BODY)
    path = download("own", tmp_path, "http://127.0.0.1:1/good.zip", SHA256)
    assert path.read_bytes() == BODY


def test_a_named_dataset_can_come_from_elsewhere(server, tmp_path):
    path = download("fra-eng", tmp_path, f"{server.address}/mirror/x.zip", SHA256)
    assert path == tmp_path / "fra-eng.zip"
    with pytest.raises(DownloadError, match=DATASETS["imdb"].checksum):
        download("imdb", tmp_path, f"{server.address}/good.zip")


def test_the_cache_is_set_by_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_TX_CACHE", str(tmp_path / "mine"))
    url = f"{server.address}/good.zip"
    assert download("own", None, url, SHA256) == tmp_path / "mine" / "good.zip"
    monkeypatch.delenv("KERAS_TX_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = download("own", None, url, SHA256)
    assert path == tmp_path / "home" / ".cache" / "keras_tx" / "good.zip"


def check_failure(tmp_path, url, *messages, timeout=10.0):
    with pytest.raises(DownloadError) as caught:
        download("own", tmp_path, url, SHA256, timeout=timeout)
    for message in (url, *messages, f"placed by hand at {tmp_path / url.rpartition('/')[2]}"):
        assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_wrong_checksum_is_an_error_with_both(server, tmp_path):
    found = "sha256:" + hashlib.sha256(BODY[:-1] + b"?").hexdigest()
    check_failure(tmp_path, f"{server.address}/corrupt.zip", SHA256, found)


def test_a_connection_closed_early_is_an_error(server, tmp_path):
    check_failure(tmp_path, f"{server.address}/truncated.zip", f"1000 of {len(BODY)} bytes")


def test_a_missing_page_is_an_error(server, tmp_path):
    check_failure(tmp_path, f"{server.address}/missing.zip", "HTTP status 404")


@pytest.mark.parametrize("page", ["silent.zip", "stalled.zip"])
def test_a_server_that_stops_answering_is_an_error(server, tmp_path, page):
    check_failure(tmp_path, f"{server.address}/{page}", "timed out", timeout=0.2)


def test_a_redirection_to_another_scheme_is_an_error(server, tmp_path):
    check_failure(tmp_path, f"{server.address}/to_ftp.zip", "unknown url type: ftp")


def test_nobody_listening_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        check_failure(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip", "refused")


def test_a_failure_keeps_the_file_that_was_there(server, tmp_path):
    (tmp_path / "missing.zip").write_bytes(b"older")
    with pytest.raises(DownloadError, match="the one there now has sha256:"):
        download("own", tmp_path, f"{server.address}/missing.zip", SHA256)
    assert (tmp_path / "missing.zip").read_bytes() == b"older"


def test_an_interrupted_download_leaves_no_file(server, tmp_path):
    seen = []

    def interrupt():
        deadline = time.monotonic() + 5
        while not seen and time.monotonic() < deadline:
            seen.extend(names(tmp_path))
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            download("own", tmp_path, f"{server.address}/stalled.zip", SHA256, timeout=10)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert seen == [f"stalled.zip.{os.getpid()}.part"]
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Expected to write .*a.zip. Received"):
        download("own", tmp_path / "file", "http://127.0.0.1:1/a.zip", SHA256)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "imbd"}, "'fra-eng', 'imdb', .* Received: name='imbd'"),
        ({"name": "own", "url": "http://127.0.0.1/a.zip"}, "Received: name='own'"),
        ({"name": "imdb", "url": "file:///etc/hostname"}, "Received: url='file:///etc/hostname'"),
        ({"name": "imdb", "url": "ftp://127.0.0.1/a.zip"}, "http or https address"),
        ({"name": "imdb", "url": "a.zip"}, "http or https address"),
        ({"name": "imdb", "checksum": "md5:12"}, "Received: checksum='md5:12'"),
        ({"name": "imdb", "checksum": "crc32:" + "0" * 32}, "md5, sha1, sha256 or sha512"),
        ({"name": "imdb", "checksum": "0" * 32}, "algorithm:hexadecimal"),
        ({"name": "o", "url": "http://127.0.0.1/", "checksum": MD5}, "end in the name of a file"),
        ({"name": "o", "url": "http://127.0.0.1/..", "checksum": MD5}, "end in the name of a"),
    ],
)
def test_bad_arguments_are_errors_before_any_connection(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        download(cache_directory=tmp_path / "cache", **arguments)
    assert names(tmp_path) == []


def test_the_registry_is_well_formed(tmp_path, monkeypatch):
    # Every entry gets past the checks of its address and checksum; nothing is fetched, since
    # the cache cannot be made.
    (tmp_path / "file").write_text("")
    for name in DATASETS:
        with pytest.raises(DownloadError, match=f"Expected to write .*{DATASETS[name].file_name}"):
            download(name, tmp_path / "file")
