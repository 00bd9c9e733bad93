# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine for tests and benches in Python: a software TPM with a measured boot, a private bus in place
of the system's, and the daemon. Everything lies in one folder and ends with the context."""

import os
import pathlib
import select
import subprocess
import tempfile

BUS = """<busconfig><type>custom</type><listen>unix:path={}</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>"""
BOOT_PCRS = (0, 2, 4, 7)


class Machine:
    def __init__(self, source, build):
        self.source, self.build = pathlib.Path(source), pathlib.Path(build)
        self.started = []

    def start(self, argv, ready=None):
        """Starts a program and waits for a line of its output that has this text."""
        program = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.started.append(program)
        while ready:
            if not select.select([program.stdout], [], [], 30)[0]:
                raise TimeoutError(f"{argv[0]} says nothing")
            line = program.stdout.readline()
            if not line:
                raise RuntimeError(f"{argv[0]} ended")
            if ready in line:
                break
        return program

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cvmseal-machine-")
        self.work = work = pathlib.Path(self.folder.name)
        try:
            (work / "tpm").mkdir()
            self.start([self.build / "tests/sim/tpm-mux", "--dir", work / "tpm", "--port", "tpm"],
                       "ready")
            (work / "bus.conf").write_text(BUS.format(work / "bus"))
            self.start(["dbus-daemon", "--nofork", "--print-address", "--config-file",
                        work / "bus.conf"], "unix:path")
            self.bus = f"unix:path={work}/bus"
            self.tcti = f"swtpm:path={work}/tpm/tpm"
            self.vault = work / "vault"
            self.environment = os.environ | {
                "DBUS_SYSTEM_BUS_ADDRESS": self.bus,
                "TPM2TOOLS_TCTI": self.tcti,
                "PATH": f"{self.build}/sealer/ctl:{os.environ['PATH']}",
            }
            for pcr in BOOT_PCRS:
                subprocess.run(["tpm2_pcrextend", f"{pcr}:sha256={'11' * 32}"], check=True,
                               env=self.environment)
            self.start([self.build / "sealer/service/cvmseald", "--bus", self.bus, "--tcti",
                        self.tcti, "--vault", self.vault, "--policies", self.source / "policies"])
            subprocess.run(["gdbus", "wait", "--address", self.bus, "--timeout", "30",
                            "org.cvmseal1"], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.started):
            program.terminate()
            program.communicate()
        self.folder.cleanup()
