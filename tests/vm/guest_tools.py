# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks in the guest are made of: the port to test-vm.py, programs that are run, and what
they answered."""

import base64
import json
import os
import re
import subprocess

PORT = open("/dev/virtio-ports/tests", "r+b", buffering=0)
FOLDER = "/var/lib/tests"
TIMEOUT_S = 120

# All that must never be in the journal; in a file, since the second boot looks, too.
SECRETS = os.path.join(FOLDER, "secrets")

# Linux, include/linux/tpm.h and TCG TPM 2.0 Part 2, 6.5.2.
COMMANDS = {
    "0000015D": "Sequence", "0000015E": "Unseal", "00000157": "Load", "00000161": "ContextLoad",
    "00000162": "ContextSave", "00000165": "FlushContext", "00000173": "ReadPublic",
    "00000176": "StartAuthSession", "0000017A": "GetCapability", "0000017B": "GetRandom",
    "0000017E": "PCR_Read", "0000017F": "PolicyPCR", "00000180": "PolicyRestart",
    "00000189": "PolicyGetDigest", "00000153": "Create", "00000169": "NV_ReadPublic",
}


def tell(text):
    PORT.write(text.encode() + b"\n")


def note(text):
    for line in text.splitlines():
        tell(f"# {line}")


def tpm_commands():
    """The codes of the commands that the TPM has seen since this was last asked."""
    tell("? commands")
    answer = b""
    while not answer.endswith(b"\n"):
        answer += PORT.read(65536)
    return answer.decode().split()


class Done:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def __str__(self):
        return f"status {self.code}, stderr: {self.err}"


def run(*args, user=None, data=b""):
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(args, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIMEOUT_S, cwd="/", check=False, **who)
    return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def must(*args, user=None, data=b""):
    done = run(*args, user=user, data=data)
    assert done.code == 0, f"{' '.join(args)}: {done}"
    return done.out


def cvmseal(*args, user=None, data=b""):
    return run("cvmseal", *args, user=user, data=data)


def same(seen, wanted, what):
    assert seen == wanted, f"{what}: {seen!r}, wanted {wanted!r}"


def new_secret():
    secret = os.urandom(32)
    with open(SECRETS, "ab") as file:
        file.write(base64.b64encode(secret) + b"\n")
    return secret


def keep_secret(text):
    with open(SECRETS, "ab") as file:
        file.write(base64.b64encode(text) + b"\n")


def refused(done, name, code, text=""):
    """The error's JSON, after its name, the exit code and a part of the message were looked at."""
    same(done.code, code, f"exit code ({done})")
    error = json.loads(done.out or done.err)["error"]
    same(error["name"], name, done.err)
    assert text in error["message"] + done.err, f"{text!r} is not in {error['message']!r}"
    return error


def pcr_reasons(error):
    return [(reason["code"], re.findall(r"PCR \d+", reason["detail"]))
            for reason in error["reasons"]]


def property_of(unit, name):
    return must("systemctl", "show", "--value", "-p", name, unit).decode().strip()


def main_pid():
    pid = int(property_of("cvmseald.service", "MainPID"))
    assert pid > 0, "the daemon does not run"
    return pid


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(re.match(r"(\w+):\s*(.*)", line).groups() for line in file)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, "rb") as file:
        return file.read()
