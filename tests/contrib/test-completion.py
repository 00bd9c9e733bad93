# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion, sourced by a real bash and asked as readline would ask it."""

import fcntl
import os
import pty
import re
import stat
import tempfile
import termios

from tap import Skip, build, call, main, read, same

COMPLETION = build("contrib", "cvmseal.bash")
CLI = build("sealer", "ctl", "cvmseal")
COMMANDS = ["attest", "collateral", "eventlog", "explain", "generate", "list", "measure", "policy", "recover", "remove", "report", "reseal",
            "seal", "show", "status", "unseal", "verify", "verify-report"]
COMMON = ["--bus", "--config", "--direct", "--help", "--json", "--owner", "--policies", "--tcti", "--vault"]

KEYS = ('{\n  "keys": [\n    {\n      "name": "db",\n      "owner": "uid:0"\n    },\n'
        '    {"name":"disk@home","error":"damaged"}\n  ]\n}')


class Shell:
    """A bash with the completion and a cvmseal that answers with a fixed list."""

    def __init__(self, answer=f"cat <<'EOF'\n{KEYS}\nEOF"):
        self.folder = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.folder.name, "log")
        program = os.path.join(self.folder.name, "cvmseal")
        with open(program, "w", encoding="utf-8") as file:
            # A terminal that could be asked on would be a mistake.
            file.write(f'#!/bin/sh\necho "$@" >>"{self.log}"\n'
                       f'(: </dev/tty) 2>/dev/null && echo tty >>"{self.log}"\n{answer}\n')
        os.chmod(program, stat.S_IRWXU)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.folder.cleanup()

    def complete(self, line):
        script = ('source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; '
                  'COMP_WORDBREAKS=$\' \\t\\n"\\\'@><=;|&(:\'; '
                  '_cvmseal; printf "%s\\n" "${COMPREPLY[@]}"')
        path = self.folder.name + ":" + os.environ["PATH"]
        # As in life there is a terminal, on which a program could ask.
        controller, terminal = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        try:
            code, text = call("bash", "--norc", "-c", script, "bash", COMPLETION, line,
                              cwd=self.folder.name, env=dict(os.environ, PATH=path),
                              preexec_fn=take_terminal)
        finally:
            os.close(terminal)
            os.close(controller)
        same(code, 0, text)
        return text.split()

    def calls(self):
        return read(self.log).splitlines() if os.path.exists(self.log) else []


def completed(line):
    with Shell() as shell:
        return shell.complete(line)


def test_registered():
    code, text = call("bash", "--norc", "-c", f'source "{COMPLETION}"; complete -p cvmseal')
    same((code, text.strip()), (0, "complete -F _cvmseal cvmseal"), "complete -p")


def test_commands():
    same(completed("cvmseal "), COMMANDS, "all")
    same(completed("cvmseal re"), ["recover", "remove", "report", "reseal"], "re")
    same(completed("cvmseal --owner system se"), ["seal"], "behind an option with a value")
    same(completed("cvmseal --json --bus=session st"), ["status"], "behind options")
    same(completed("cvmseal -"), sorted(COMMON + ["--version"]), "options")


def test_options():
    same(completed("cvmseal status --"), COMMON, "status")
    same(completed("cvmseal unseal db --p"), ["--pin", "--pin-file", "--policies"], "unseal")
    same(completed("cvmseal seal --rec"), ["--recovery-key", "--recovery-key-out"], "seal")
    same(completed("cvmseal frobnicate --"), COMMON, "no such command")


def test_values():
    same(completed("cvmseal seal db --bank "), ["sha256", "sha384"], "--bank")
    same(completed("cvmseal seal db --bank=sha3"), ["sha384"], "--bank=")
    same(completed("cvmseal --owner "), ["self", "system", "unit"], "--owner")
    same(completed("cvmseal list --bus s"), ["session", "system"], "--bus")
    same(completed("cvmseal seal db --pcrs "), [], "--pcrs")
    same(completed("cvmseal seal "), [], "a new key's name")
    same(completed("cvmseal verify-report --type=td"), ["tdreport", "tdx"], "--type=")
    same(completed("cvmseal collateral "), ["import", "list", "remove"], "collateral")
    same(completed("cvmseal policy "), ["check", "pin", "show"], "policy")
    same(completed("cvmseal policy show x "), [], "policy show")


def test_keys():
    with Shell() as shell:
        for command in ("unseal", "show", "explain", "reseal", "remove"):
            same(shell.complete(f"cvmseal {command} "), ["db", "disk@home"], command)
        same(shell.complete("cvmseal unseal d"), ["db", "disk@home"], "d")
        same(shell.complete("cvmseal unseal di"), ["disk@home"], "di")
        # bash has broken the word at the @.
        same(shell.complete("cvmseal unseal disk@h"), ["home"], "disk@h")
        same(shell.complete("cvmseal unseal db "), [], "a second name")
        same(set(shell.calls()), {"list --json"}, "what it ran")
    with Shell() as shell:
        same(shell.complete("cvmseal --bus session unseal db"), ["db"], "--bus")
        same(shell.calls(), ["list --json --bus session"], "what it ran")


def test_asks_nobody():
    """Keys of others could need a password: they are not listed."""
    with Shell() as shell:
        same(shell.complete("cvmseal --owner system unseal "), [], "system")
        same(shell.complete("cvmseal unseal --owner=uid:7 "), [], "uid:7")
        same(shell.calls(), [], "what it ran")
        same(shell.complete("cvmseal unseal --owner self "), ["db", "disk@home"], "self")


def test_daemon_that_fails_or_hangs():
    with Shell("echo 'cvmseal: no bus' >&2; exit 1") as shell:
        same(shell.complete("cvmseal unseal "), [], "fails")
    # A FIFO that nobody writes to: reading it never ends. The test's own limit is 60 seconds.
    with Shell('mkfifo "$(dirname "$0")/fifo" && exec cat "$(dirname "$0")/fifo"') as shell:
        same(shell.complete("cvmseal unseal "), [], "hangs")


def test_files():
    with Shell() as shell:
        for name in ("one.key", "other.key"):
            with open(os.path.join(shell.folder.name, name), "w", encoding="utf-8"):
                pass
        same(sorted(shell.complete("cvmseal recover o")), ["one.key", "other.key"], "recover")
        same(shell.complete("cvmseal unseal db --out=one"), ["one.key"], "--out=")
        same(shell.complete("cvmseal seal db --in ot"), ["other.key"], "--in")
        same(shell.complete("cvmseal verify-report o --certs ot"), ["other.key"], "--certs")
        same(shell.complete("cvmseal verify-report ot"), ["other.key"], "verify-report")
        same(shell.complete("cvmseal eventlog on"), ["one.key"], "eventlog")
        same(shell.complete("cvmseal collateral import one.key ot"), ["other.key"], "import")
        same(shell.complete("cvmseal policy check on"), ["one.key"], "policy check")
        same(shell.complete("cvmseal verify o --make-challenge ot"), ["other.key"], "--make-challenge")


def test_profiles():
    with tempfile.TemporaryDirectory() as folder:
        text = read(COMPLETION)
        parts = re.findall(r'"([^"]+)/policies"/\*\.policy', text)
        same(len(parts), 2, "folders of profiles")
        for part, name in zip(parts, ("site", "default")):
            assert os.path.isabs(part), part
            text = text.replace(f'"{part}/policies"', f'"{folder}/{name}"')
            os.mkdir(os.path.join(folder, name))
            with open(os.path.join(folder, name, name + ".policy"), "w", encoding="utf-8"):
                pass
        changed = os.path.join(folder, "completion")
        with open(changed, "w", encoding="utf-8") as file:
            file.write(text)
        code, output = call("bash", "--norc", "-c",
                            'source "$1"; COMP_LINE="cvmseal seal db --policy "; '
                            'COMP_POINT=${#COMP_LINE}; _cvmseal; echo "${COMPREPLY[@]}"',
                            "bash", changed)
        same((code, output), (0, "default site\n"), "--policy")


def test_same_options_as_the_program():
    if not os.path.exists(CLI):
        raise Skip("the command line tool is not built")
    for command in COMMANDS:
        code, text = call(CLI, command, "--help")
        same(code, 0, text)
        wanted = set(re.findall(r"^\s+(--[a-z-]+)", text, flags=re.M)) | {"--help"}
        same(sorted(completed(f"cvmseal {command} --")), sorted(wanted), command)


main(globals())
