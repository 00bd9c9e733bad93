# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted Debian 13 guest in which cvmseal is installed: firmware (OVMF), kernel, systemd, bus and
polkit are the real ones, the TPM is swtpm behind the kernel's driver. QEMU emulates the processor:
no KVM is needed.

    test-vm.py BUILD         BUILD: a folder that is kept from run to run

The checks run in the guest (guest.py) and report over a virtio port, one line each:

    ok TITLE | not ok TITLE | # text    passed on as TAP
    ? commands                          answered with the command codes that the TPM has seen since
                                        the last such question, in hexadecimal
    ! done                              the guest has no more to say

The guest boots twice with one disk and one TPM, the second time with another kernel command line
and with dbus-broker in the place of dbus-daemon.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("CVMSEAL_VM_CACHE", "/var/cache/cvmseal")
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "swtpm", "swtpm_setup", "debootstrap", "mke2fs",
            "unshare", "setpriv")
# For both boots. A quiet machine takes a tenth of it.
GUEST_TIMEOUT_S = 1200
CONSOLE_LINES = 150
# A busy machine can take longer than systemd's 90 seconds for what it waits for.
COMMAND_LINE = ("console=ttyS0 loglevel=4 mitigations=off systemd.default_timeout_start_sec=600 "
                "systemd.default_device_timeout_sec=600")


class Report:
    """TAP on stdout; the plan comes last."""

    def __init__(self):
        self.count = 0
        self.failed = False

    def result(self, good, title):
        self.count += 1
        self.failed = self.failed or not good
        print(f"{'ok' if good else 'not ok'} {self.count} {title}", flush=True)

    def note(self, text):
        for line in text.splitlines():
            print(f"# {line}", flush=True)


def why_not():
    if os.environ.get("CVMSEAL_ROOT"):
        return "the booted guest is tested from outside of this root"
    if platform.machine() != "x86_64":
        return "the guest is for x86_64"
    if os.geteuid() != 0:
        return "needs root to make the guest's disk"
    for program in PROGRAMS:
        if not shutil.which(program):
            return f"{program} is not installed"
    for path in (FIRMWARE, VARIABLES):
        if not os.path.exists(path):
            return f"{path} is not there: ovmf is not installed"
    return None


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def base(lock, report):
    """The folder of make-base, made anew if what it is made by has changed. It stays while the lock
    is held."""
    recipe = read(os.path.join(HERE, "make-base"))
    packages = re.search(r"^build='[^']*'$", read(os.path.join(HERE, "../../contrib/install-deps")),
                         flags=re.M)[0]
    digest = hashlib.sha256((recipe + packages).encode()).hexdigest()
    folder = os.path.join(CACHE, "vm-" + digest[:16])
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not os.path.isdir(folder):
        fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.isdir(folder):
        report.note(f"making the guest's system in {folder} (some minutes, once)")
        for old in os.listdir(CACHE):
            if re.fullmatch(r"vm-[0-9a-f]{16}(\.new)?", old):
                shutil.rmtree(os.path.join(CACHE, old))
        call("make-base", folder)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return folder


def call(script, *args):
    done = subprocess.run([os.path.join(HERE, script), *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = done.stdout.decode(errors="replace").splitlines()[-40:]
        raise RuntimeError(f"{script} failed:\n" + "\n".join(tail))


class Tpm:
    """swtpm, whose log tells what commands it has seen."""

    def __init__(self, folder):
        self.log = os.path.join(folder, "tpm.log")
        self.state = os.path.join(folder, "tpm")
        self.seen = 0
        os.mkdir(self.state)
        subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", self.state, "--create-ek",
                        "--overwrite", "--pcr-banks", "sha256,sha384"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)

    def start(self):
        """The process, which ends with its only client, and the client's end of its socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--terminate",
                 "--ctrl", f"type=unixio,clientfd={theirs.fileno()}",
                 "--log", f"file={self.log},level=20"],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        return process, ours

    def commands(self):
        """The command codes since the last call, as words of eight hexadecimal digits."""
        with open(self.log, "rb") as file:
            file.seek(self.seen)
            text = file.read()
        self.seen += len(text)
        # Tag, size and code are in the first line of the dump.
        found = re.findall(
            rb"SWTPM_IO_Read: length \d+\s+(?:[0-9A-F]{2} ){6}((?:[0-9A-F]{2} ){4})", text)
        return [code.replace(b" ", b"").decode() for code in found]


class Guest:
    def __init__(self, folder, system, tpm, report):
        self.folder = folder
        self.system = system
        self.tpm = tpm
        self.report = report
        self.console = os.path.join(folder, "console.log")
        self.disk = os.path.join(folder, "disk.qcow2")
        self.variables = os.path.join(folder, "variables.fd")
        shutil.copyfile(VARIABLES, self.variables)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                        os.path.join(system, "disk"), self.disk], check=True)

    def _qemu(self, tpm, port, command_line):
        return [
            # Ends with this program, however that ends.
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults",
            "-no-user-config", "-no-reboot", "-display", "none", "-M", "q35,smm=off",
            "-smp", "2", "-m", "1024",
            # Newer processors have vector instructions, which C libraries use and which take an
            # emulator long.
            "-accel", "tcg,thread=multi", "-cpu", "Nehalem",
            "-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}",
            "-drive", f"if=pflash,format=raw,file={self.variables}",
            "-kernel", os.path.join(self.system, "vmlinuz"),
            "-initrd", os.path.join(self.system, "initrd"), "-append", command_line,
            "-drive", f"if=virtio,format=qcow2,cache=unsafe,file={self.disk}",
            "-drive", f"if=virtio,format=raw,readonly=on,file={self.folder}/payload.tar",
            "-chardev", f"socket,id=tpm,fd={tpm.fileno()}",
            "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm",
            "-chardev", f"socket,id=port,fd={port.fileno()}", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=port,name=tests",
            "-serial", f"file:{self.console}",
        ]

    def boot(self, command_line, deadline):
        """Runs the guest until it has powered itself off; whether it came to its end."""
        swtpm, tpm = self.tpm.start()
        port, theirs = socket.socketpair()
        with port:
            with tpm, theirs:
                qemu = subprocess.Popen(self._qemu(tpm, theirs, command_line),
                                        stdin=subprocess.DEVNULL,
                                        pass_fds=[tpm.fileno(), theirs.fileno()])
            try:
                done = self._listen(port, deadline)
                qemu.wait(max(1, deadline - time.monotonic()))
                swtpm.wait(60)
                return done and qemu.returncode == 0
            except (socket.timeout, subprocess.TimeoutExpired):
                self.report.note("the guest is stuck: out of time")
                return False
            finally:
                for process in (qemu, swtpm):
                    process.kill()
                    process.wait()

    def _listen(self, port, deadline):
        done = False
        rest = b""
        while True:
            port.settimeout(max(0.1, deadline - time.monotonic()))
            data = port.recv(65536)
            if not data:
                return done
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                word, _, text = line.decode(errors="replace").partition(" ")
                if word == "ok":
                    self.report.result(True, text)
                elif word == "not":
                    self.report.result(False, text.removeprefix("ok "))
                elif word == "?":
                    port.sendall(" ".join(self.tpm.commands()).encode() + b"\n")
                elif word == "!":
                    done = True
                else:
                    self.report.note(text)


def pack(path, install):
    with tarfile.open(path, "w") as payload:
        payload.add(install, "install.tar")
        for name in ("guest.py", "guest_tools.py", "probe.py"):
            payload.add(os.path.join(HERE, name), name)


def run(build, lock, report):
    began = time.monotonic()
    system = base(lock, report)
    call("make-install", os.path.join(system, "root"), build)
    built = time.monotonic()
    report.note(f"built in {built - began:.0f} s")
    with tempfile.TemporaryDirectory(prefix="cvmseal-vm-") as folder:
        pack(os.path.join(folder, "payload.tar"), os.path.join(build, "install.tar"))
        guest = Guest(folder, system, Tpm(folder), report)
        for number in (1, 2):
            booted = time.monotonic()
            done = guest.boot(f"{COMMAND_LINE} tests.boot={number}",
                              built + GUEST_TIMEOUT_S)
            report.note(f"boot {number} took {time.monotonic() - booted:.0f} s")
            report.result(done, f"boot-{number}-comes-to-its-end")
            if report.failed:
                lines = read(guest.console).replace("\r", "").splitlines()[-CONSOLE_LINES:]
                report.note("\n".join([f"the console of boot {number}:"] + lines))
            if not done:
                break


def main(build):
    reason = why_not()
    if reason:
        print(f"1..1\nok 1 guest # SKIP {reason}")
        return 0

    report = Report()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    os.makedirs(CACHE, exist_ok=True)
    try:
        with open(os.path.join(CACHE, "vm.lock"), "w", encoding="ascii") as lock:
            run(build, lock, report)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report.note(str(error))
        report.result(False, "the-guest-can-be-made")
    print(f"1..{report.count}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
