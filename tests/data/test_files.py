"""Finding files, checking them, and downloading them from a local server."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from dlpipe import DataError
from dlpipe.data import RemoteFile, files

CONTENT = bytes(range(256)) * 40


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the server's ``pages``: the content, and how many bytes more than that it announces."""

    def do_GET(self):  # http.server's name
        self.server.asked.append(self.path)
        if self.path not in self.server.pages:
            self.send_error(404)
            return
        content, withheld = self.server.pages[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + withheld))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    """Pages to serve, and the paths that were requested."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = {}
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def dead_url():
    """A mirror that does not answer."""
    with Server() as server:
        return server.url


def remote(*urls):
    return RemoteFile("images", sha256(CONTENT), tuple(url + "images" for url in urls))


def test_a_given_directory_is_the_only_folder_searched(monkeypatch):
    monkeypatch.setenv("DLPIPE_DATA", "/data")
    assert files.search_folders("mnist", "/elsewhere") == [Path("/elsewhere")]


def test_the_data_variable_is_searched_before_the_users_cache(monkeypatch, own_cache):
    monkeypatch.setenv("DLPIPE_DATA", "/data")
    assert files.search_folders("mnist", None) == [Path("/data/mnist"), own_cache / "dlpipe" / "mnist"]


def test_without_the_data_variable_the_users_cache_is_searched(own_cache):
    assert files.search_folders("mnist", None) == [own_cache / "dlpipe" / "mnist"]


def test_a_tilde_is_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("DLPIPE_DATA", "~/data")
    assert files.search_folders("mnist", "~/mnist") == [Path("/home/ann/mnist")]
    assert files.search_folders("mnist", None)[0] == Path("/home/ann/data/mnist")


def test_a_file_with_its_checksum_passes(tmp_path, write):
    write(tmp_path, {"images": CONTENT})
    files.check(tmp_path / "images", remote())


def test_the_error_about_a_wrong_checksum_names_both_checksums(tmp_path, write):
    write(tmp_path, {"images": b"other"})
    with pytest.raises(DataError, match=rf"its sha256 is {sha256(b'other')}, expected {sha256(CONTENT)}\. Delete it"):
        files.check(tmp_path / "images", remote())


def test_a_download_has_the_bytes_of_the_server(server, tmp_path):
    server.pages["/images"] = (CONTENT, 0)
    assert files.download(remote(server.url), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("trouble", ["dead", "missing", "wrong", "interrupted"])
def test_the_second_mirror_is_used_if_the_first_fails(server, dead_url, tmp_path, trouble):
    server.pages["/good/images"] = (CONTENT, 0)
    server.pages["/wrong/images"] = (b"other", 0)
    server.pages["/interrupted/images"] = (CONTENT[:500], 500)
    first = dead_url if trouble == "dead" else f"{server.url}{trouble}/"
    path = files.download(remote(first, server.url + "good/"), tmp_path)
    assert path.read_bytes() == CONTENT


def test_the_second_mirror_is_not_used_if_the_first_has_the_file(server, tmp_path):
    server.pages["/first/images"] = server.pages["/second/images"] = (CONTENT, 0)
    files.download(remote(server.url + "first/", server.url + "second/"), tmp_path)
    assert server.asked == ["/first/images"]


@pytest.mark.parametrize("page", [(b"other", 0), (CONTENT[:500], len(CONTENT) - 500)], ids=["wrong sum", "interrupted"])
def test_a_failed_download_leaves_no_file(server, tmp_path, page):
    server.pages["/images"] = page
    with pytest.raises(DataError):
        files.download(remote(server.url), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_a_download_leaves_no_file(server, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        yield CONTENT[:500]
        raise KeyboardInterrupt

    server.pages["/images"] = (CONTENT, 0)
    monkeypatch.setattr(requests.Response, "iter_content", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.download(remote(server.url), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_error_names_every_failed_mirror_and_its_reason(server, dead_url, tmp_path):
    server.pages["/images"] = (b"other", 0)
    message = (
        rf"images could not be downloaded \({dead_url}images: ConnectionError; "
        rf"{server.url}missing/images: HTTPError; {server.url}images: ValueError\)"
    )
    with pytest.raises(DataError, match=message):
        files.download(remote(dead_url, server.url + "missing/", server.url), tmp_path)


def test_a_file_without_mirrors_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"images could not be downloaded \(it has no known mirror\)"):
        files.download(remote(), tmp_path)


@pytest.fixture
def served_bars(server, bars, bars_dataset, dead_url):
    """The dataset of bars, its files on the second of two mirrors."""
    server.pages = {f"/{name}": (content, 0) for name, content in bars.items()}
    return bars_dataset(mirrors=(dead_url, server.url))


def test_a_dataset_that_is_not_found_is_downloaded_into_the_users_cache(served_bars, own_cache, module_options, bars):
    served_bars(**module_options()).prepare_data()
    folder = own_cache / "dlpipe" / "bars"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == bars


def test_a_downloaded_dataset_is_read(served_bars, module_options):
    data = served_bars(**module_options())
    data.prepare_data()
    assert len(data.load_splits()["train"].y) == 40


def test_a_dataset_is_downloaded_once(served_bars, server, module_options):
    served_bars(**module_options()).prepare_data()
    server.asked.clear()
    served_bars(**module_options()).prepare_data()
    assert server.asked == []


def test_a_file_that_is_in_the_cache_already_is_not_downloaded_again(
    served_bars, server, own_cache, module_options, bars
):
    folder = own_cache / "dlpipe" / "bars"
    folder.mkdir(parents=True)
    (folder / "train_images").write_bytes(bars["train_images"])
    served_bars(**module_options()).prepare_data()
    assert "/train_images" not in server.asked


def test_a_dataset_is_downloaded_into_a_given_directory(served_bars, tmp_path, module_options, bars):
    served_bars(directory=str(tmp_path), **module_options()).prepare_data()
    assert {path.name for path in tmp_path.iterdir()} == set(bars)


def test_a_given_directory_that_does_not_exist_is_refused_and_not_created(
    served_bars, server, tmp_path, module_options
):
    with pytest.raises(DataError, match=r"dataset\.directory=.*typo is not a folder; no bars in"):
        served_bars(directory=str(tmp_path / "typo"), **module_options()).prepare_data()
    assert not (tmp_path / "typo").exists()
    assert server.asked == []


def test_offline_uses_no_mirror(served_bars, server, module_options):
    with pytest.raises(DataError, match="no bars in"):
        served_bars(offline=True, **module_options()).prepare_data()
    assert server.asked == []


# --- a dataset that is one file


@pytest.fixture
def one(server):
    """A file that the server has."""
    server.pages["/tunes"] = (CONTENT, 0)
    return RemoteFile("tunes", sha256(CONTENT), (server.url + "tunes",))


def test_one_file_is_downloaded_once_into_the_users_cache(one, server, own_cache):
    paths = [files.find_or_download(one, "music", None, offline=False) for _ in range(2)]
    assert paths == [own_cache / "dlpipe" / "music" / "tunes"] * 2
    assert paths[0].read_bytes() == CONTENT
    assert server.asked == ["/tunes"]


def test_one_file_that_is_found_is_used_whatever_its_checksum(one, server, tmp_path):
    (tmp_path / "tunes").write_bytes(b"another packing")
    assert files.find_or_download(one, "music", str(tmp_path), offline=False) == tmp_path / "tunes"
    assert server.asked == []


@pytest.mark.parametrize(
    ("directory", "offline", "message"),
    [
        (None, True, r"no tunes in .*music\. Put it there, or set DLPIPE_DATA to the folder that has music/"),
        ("typo", False, r"dataset\.directory=typo is not a folder; no tunes in typo"),
    ],
)
def test_one_file_that_cannot_be_downloaded_is_an_error_with_advice(one, server, directory, offline, message):
    with pytest.raises(DataError, match=message):
        files.find_or_download(one, "music", directory, offline)
    assert server.asked == []


def test_the_error_about_failed_mirrors_names_the_folders_that_were_searched(one, server, own_cache):
    server.pages.clear()
    with pytest.raises(DataError, match=r"no tunes in .* could not be downloaded \(.*HTTPError\)"):
        files.find_or_download(one, "music", None, offline=False)


@pytest.mark.parametrize(
    "name",
    [
        "train-images-idx3-ubyte",
        "train-images.idx3-ubyte",
        "train-images.idx3-ubyte.gz",
        "train-images-idx3-ubyte.zip",
        "raw/train-images-idx3-ubyte",
        "MNIST/raw/train-images-idx3-ubyte.xz",
    ],
)
def test_a_file_is_found_as_other_programs_keep_it(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert files.find("train-images-idx3-ubyte.gz", "mnist", str(tmp_path)) == path


def test_the_exact_name_is_preferred(tmp_path, write):
    write(tmp_path, {"a.pkl": b"", "a.pkl.gz": b"", "a.pkl.xz": b""})
    assert [files.find(name, "x", str(tmp_path)).name for name in ("a.pkl", "a.pkl.gz")] == ["a.pkl", "a.pkl.gz"]


def test_all_files_are_found_in_one_folder_or_none_is(tmp_path, write):
    write(tmp_path / "raw", {"a": b""})
    assert files.find_all(["a", "b"], "x", str(tmp_path)) is None
    write(tmp_path, {"b.gz": b""})
    assert files.find_all(["a", "b"], "x", str(tmp_path)) == [tmp_path / "raw" / "a", tmp_path / "b.gz"]


def test_a_downloaded_file_has_the_mode_of_any_other(one, server, own_cache):
    (own_cache / "plain").touch()
    path = files.find_or_download(one, "music", None, offline=False)
    assert path.stat().st_mode == (own_cache / "plain").stat().st_mode


def test_a_cache_that_cannot_be_written_to_is_blamed_instead_of_the_mirrors(one, server, own_cache):
    (own_cache / "dlpipe").touch()
    message = (
        r"no tunes in .*music cannot be written to \(.*\); set XDG_CACHE_HOME to a folder that can be, or DLPIPE_DATA"
    )
    with pytest.raises(DataError, match=message):
        files.find_or_download(one, "music", None, offline=False)
    assert server.asked == []
