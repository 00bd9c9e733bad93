# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program that brings TD quotes on Azure, with a service like the host's."""

import base64
import contextlib
import http.server
import json
import os
import re
import tempfile
import threading

from tap import call, main, read, same, source

PROGRAM = source("contrib", "azure", "cvmseal-td-quote")
TDREPORT = bytes(range(256)) * 4


class Host(http.server.BaseHTTPRequestHandler):
    answer = b""
    seen = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Host.seen.append((self.path, self.headers["Metadata"], json.loads(body)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(Host.answer)

    def log_message(self, *unused):
        pass


@contextlib.contextmanager
def host(answer):
    """A folder, and what the program is to be called with."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Host.answer, Host.seen = answer, []
    try:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "tdreport"), "wb") as file:
                file.write(TDREPORT)
            yield folder, ["--url", f"http://127.0.0.1:{server.server_port}/acc/tdquote", folder]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_brings_it():
    quote = bytes(range(250, 256)) * 7
    text = base64.urlsafe_b64encode(quote).decode().rstrip("=")
    with host(json.dumps({"quote": text}).encode()) as (folder, arguments):
        same(call(PROGRAM, *arguments), (0, ""), "call")
        with open(os.path.join(folder, "quote"), "rb") as file:
            same(file.read(), quote, "quote")
        same(sorted(os.listdir(folder)), ["quote", "tdreport"], "files")
        path, metadata, body = Host.seen[0]
        same((path, metadata), ("/acc/tdquote", "true"), "request")
        same(base64.urlsafe_b64decode(body["report"] + "=="), TDREPORT, "TDREPORT")


def test_rubbish():
    for answer in (b"", b"no", b"{}", b"[1]", b'{"quote": 1}', b'{"quote": "?"}', b'{"quote": ""}'):
        with host(answer) as (folder, arguments):
            code, text = call(PROGRAM, *arguments)
            same(code, 1, text)
            assert "Traceback" not in text, text
            same(os.listdir(folder), ["tdreport"], f"files after {answer}")


def test_same_paths():
    """Program, units and daemon speak of one folder."""
    units = read(source("contrib", "azure", "cvmseal-td-quote.path"))
    same(re.findall(r"^PathChanged=(.*)$", units, flags=re.M), ["/run/cvmseal/td-quote/tdreport"],
         "the path unit")
    service = read(source("contrib", "azure", "cvmseal-td-quote.service"))
    same(re.findall(r"^BindPaths=(.*)$", service, flags=re.M), ["/run/cvmseal/td-quote"], "service")
    # The first try may be before the network, or the host, is ready.
    for line in ("Restart=on-failure", "RestartSec=5", "StartLimitIntervalSec=0",
                 "After=network-online.target", "Wants=network-online.target"):
        assert line in service.splitlines(), line
    assert '"/run/cvmseal/td-quote"' in read(PROGRAM)
    header = read(source("sealer", "attest", "td-quote.h"))
    assert '#define CVS_TD_QUOTE_FOLDER "td-quote"' in header


main(globals())
